/* The functions are static inline; a target needs a source. */
#include "nnkit_instructions.h"
