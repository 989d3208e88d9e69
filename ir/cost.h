/* cost.h - what an operation computes and moves, as dims.
 *
 * FLOPs: 2 for each multiply-add of a product, 1 for each element that an elementwise operator
 * writes or a reduction reads; softmax as its expansion, five for each element. Moving costs
 * none. A fused region costs what is in it, a scan that much for each of its trips. NULL where a
 * number leaves 64 bits.
 */
#ifndef IR_COST_H
#define IR_COST_H

#include "ir/graph.h"

const Dim *op_flops(DimTable *table, const Op *op);
const Dim *op_product_flops(DimTable *table, const Op *op); /* the part in products */
/* All operands read once and all results written once: of one that is sliced or that rows are taken
 * of, those; of one that is updated in its place, what is new. */
const Dim *op_bytes(DimTable *table, const Op *op);
const Dim *op_operand_bytes(DimTable *table, const Op *op, int number);
const Dim *op_result_bytes(DimTable *table, const Op *op, int number);
const Dim *function_flops(const Function *function, bool products_only);

#endif
