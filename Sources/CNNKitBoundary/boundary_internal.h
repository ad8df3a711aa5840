/* Shared by the files of this target. */
#ifndef BOUNDARY_INTERNAL_H
#define BOUNDARY_INTERNAL_H

#include "CNNKitBoundary.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The innermost call that the thread is in; NULL outside of any. */
nnkit_boundary_frame *nnkit_boundary_current(void);

/* Ends the innermost call's account of the thread, without its floating-point environment. */
void nnkit_boundary_forget(const nnkit_boundary_frame *frame);

/* Ends the thread's call without a return to where it is, and closes the library. Returns where the thread is in no
 * call. */
void nnkit_boundary_give_up(void);

#ifdef __cplusplus
}
#endif

#endif
