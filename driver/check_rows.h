/* check_rows.h - the rows of `dlc check`: one for each layer or function that an entry applies. */
#ifndef DRIVER_CHECK_ROWS_H
#define DRIVER_CHECK_ROWS_H

#include "frontend/elaborate.h"

#include <jansson.h>

/* A table: line, layer, operation as written, output, parameters, MFLOP. Repeated layers of a list
 * are one row (layer1.1..2  x2) unless `all`. */
void check_rows_print(Text *out, const Elaboration *extra, const Module *module, const Function *f,
                      const Sources *sources, bool all);
json_t *check_rows_json(const Elaboration *extra, const Module *module, const Function *f,
                        const Sources *sources);

#endif
