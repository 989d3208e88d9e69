/* describe.h - the operator table for readers: `dlc help ops`, and docs/operators.md. */
#ifndef IR_DESCRIBE_H
#define IR_DESCRIBE_H

#include "ir/operator.h"

/* The whole table: as docs/operators.md has it, or in 100 columns for a terminal. */
void operators_describe(Text *text, bool markdown);
/* One operator with all that the table says: `dlc help ops conv`. */
void operator_describe(Text *text, Operator kind);

#endif
