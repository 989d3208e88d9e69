/* cost.h - rough costs of operations, for choices of passes. */
#ifndef PASSES_COST_H
#define PASSES_COST_H

#include "ir/graph.h"

/* Constants of the cost model. */
enum {
#define COST(name, value, meaning) COST_##name,
#include "passes/costs.def"
#undef COST
  COSTS
};
extern const double costs[COSTS];

/* Machine operations for one element of the result; of products 0. */
double operator_cost(Operator kind);
/* Elements with dims at their bounds. */
double type_elements(const Type *type);
/* Work of an operation, with its region, in simple operations on elements. */
double op_work(const Op *op);

#endif
