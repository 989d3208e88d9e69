/* The gradient of scan. */
#include "passes/gradient.h"

NO_GRADIENT(scan, "the gradient of a scan is not built yet")
