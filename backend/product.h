/* product.h - kernels for products, chosen by lower_product.c.
 *
 * A kernel computes tiles of sums in registers and hands each vector of them to product_finish,
 * which applies what is fused after the product (bias, activation, residual) and stores.
 */
#ifndef BACKEND_PRODUCT_H
#define BACKEND_PRODUCT_H

#include "backend/families.h"

/* Applies the epilogue to the product's value at `index` (lanes along one axis; region->lanes and
 * region->mask as they are) and stores the result. */
void product_finish(Region *region, const Op *product, const Index *index, LoopExpr *sum);
/* The same in two steps: what the epilogue makes of the sum, and storing it. */
LoopExpr *product_result(Region *region, const Op *product, const Index *index, LoopExpr *sum);
void product_store(Region *region, const Index *index, LoopExpr *result);

/* Where an operand lies: itself, or what it is widened from in this kernel. */
LoopBuffer *product_buffer(const Region *r, const Value *operand);

/* Each gives false if the shape is not one of its; nothing is built then.
 *
 * product_packed     dot_panel: register tiles over packed panels (product_tile.h)
 * product_conv       conv_panel, by the same tiles
 * product_narrow     both, with panels of one column: lanes go along the sum
 * product_dot        dot whose right side is no weight
 * product_attention, product_attention_gradient
 *                    attention and its gradient, block by block of the keys
 * product_weight     conv_weight in nhwc: register tiles of the weight's gradient
 * product_weight_packed  the same of enough channels, by packed blocks
 * product_weight_winograd  the same by Winograd's algorithm
 * product_winograd   conv_winograd
 * product_winograd_lines  the same along one axis of two, of few channels
 * product_grouped    a convolution in groups of few channels, in nhwc
 * product_depthwise  a convolution of each channel alone, in nhwc
 * product_depthwise_transpose  its gradient for the input, with a stride
 * product_weight_depthwise  conv_weight of these, of large maps
 * product_weight_grouped  the same of small ones, and of groups of few channels */
bool product_attention(Lowering *lowering, Region *region, const Op *product);
bool product_attention_gradient(Lowering *lowering, Region *region, const Op *product);
bool product_dot(Lowering *lowering, Region *region, const Op *product);
bool product_grouped(Lowering *lowering, Region *region, const Op *product);
bool product_depthwise_transpose(Lowering *lowering, Region *region, const Op *product);
bool product_depthwise(Lowering *lowering, Region *region, const Op *product);
bool product_weight(Lowering *lowering, Region *region, const Op *product);
bool product_weight_packed(Lowering *lowering, Region *region, const Op *product);
bool product_weight_winograd(Lowering *lowering, Region *region, const Op *product);
bool product_weight_depthwise(Lowering *lowering, Region *region, const Op *product);
bool product_weight_grouped(Lowering *lowering, Region *region, const Op *product);
bool product_winograd_lines(Lowering *lowering, Region *region, const Op *product);
bool product_winograd(Lowering *lowering, Region *region, const Op *product);
bool product_packed(Lowering *lowering, Region *region, const Op *product);
bool product_conv(Lowering *lowering, Region *region, const Op *product);
bool product_narrow(Lowering *lowering, Region *region, const Op *product);

/* Does a convolution pad its map? (It may cut some of it off.) */
bool conv_pads(const Op *op);
/* Are these maps of f32 (or a kernel), of which all but the first axis is known? */
bool conv_is_known(const Type *type);

/* conv_winograd's value at an index, for the plain form. */
LoopExpr *winograd_value(Region *region, const Op *op, const Index *index);

#endif
