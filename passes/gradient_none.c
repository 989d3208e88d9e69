/* Operators that no gradient goes through, other than those that stand beside their kin: made from
 * nothing, memory, and what later passes make. */
#include "passes/gradient.h"

#define NO_OPERAND "it is made from nothing"
NO_GRADIENT(constant, NO_OPERAND)
NO_GRADIENT(full, NO_OPERAND)
NO_GRADIENT(iota, NO_OPERAND)
NO_GRADIENT(dim_value, NO_OPERAND)
NO_GRADIENT(random, NO_OPERAND)
NO_GRADIENT(read, NO_OPERAND)
NO_GRADIENT(write, "it has no result")

/* `gradient` replaces them in the order of the text: none is on the path of another. */
NO_GRADIENT(grad, "it is a gradient itself")

#define LATER "it is made after gradients are"
NO_GRADIENT(dot_panel, LATER)
NO_GRADIENT(conv_panel, LATER)
NO_GRADIENT(conv_winograd, LATER)
NO_GRADIENT(winograd_weight, LATER)
NO_GRADIENT(fused, LATER)
