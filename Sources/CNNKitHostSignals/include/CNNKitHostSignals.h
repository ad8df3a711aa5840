#ifndef CNNKIT_HOST_SIGNALS_H
#define CNNKIT_HOST_SIGNALS_H

/* Nothing to call: linked into the shared library, CNNKitHostSignals.c keeps the host's signal handlers as they are
 * while the library is loaded. */

#endif
