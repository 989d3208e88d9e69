#include "tests/tools/random_generator.h"

#include <math.h>

/* ---- elementwise ---- */

void make_unary(Generator *g, Operator kind) {
  bool jumps = kind == OP_floor || kind == OP_sign; /* wants exact operands */
  Value *x = pick(g, kind == OP_neg || kind == OP_abs ? ARITHMETIC : FLOAT, 0, 6, jumps);
  Fact f = fact(g, x);
  Element e = x->type.element;
  switch (kind) {
  case OP_neg:
  case OP_abs:
  case OP_sign:
  case OP_floor:
    keep(g, unary(g, kind, x), f.bound + 1, f.exact);
    return;
  case OP_exp:
  case OP_expm1:
    if (f.bound > 3) x = unary(g, OP_tanh, x), f.bound = 1;
    calm(g, unary(g, kind, x), exp(f.bound), false);
    return;
  case OP_sqrt:
  case OP_rsqrt:
  case OP_log:
    x = binary(g, OP_add, unary(g, OP_abs, x), number(g, e, 0.5));
    calm(g, unary(g, kind, x), f.bound + 1.5, false);
    return;
  case OP_log1p:
    keep(g, unary(g, kind, unary(g, OP_abs, x)), f.bound, false);
    return;
  default:
    keep(g, unary(g, kind, x), 1, false);
    return; /* sin, cos, tanh, erf */
  }
}

void make_binary(Generator *g, Operator kind) {
  Value *x = pick(g, kind == OP_pow ? FLOAT : ARITHMETIC, 0, 5, kind == OP_rem);
  Value *y = partner(g, x, x->type.element);
  Element e = x->type.element;
  bool real = element_is_float(e);
  Fact a = fact(g, x), b = fact(g, y);
  if (real && (kind == OP_div || kind == OP_rem || kind == OP_pow)) {
    if (kind == OP_rem && !b.exact) return;
    y = kind == OP_rem ? number(g, e, 0.75)
                       : binary(g, OP_add, unary(g, OP_abs, y), number(g, e, 0.5));
    if (kind == OP_pow) {
      Value *base = binary(g, OP_add, unary(g, OP_abs, x), number(g, e, 0.5));
      calm(g, binary(g, kind, base, number(g, e, below(g, 2) ? 1.5 : -2)),
           (a.bound + 1) * (a.bound + 1) + 4, false);
      return;
    }
  }
  double bound = kind == OP_mul   ? a.bound * b.bound
                 : kind == OP_div ? 2 * a.bound
                 : kind == OP_rem ? 8
                                  : a.bound + b.bound;
  bool exact = (kind == OP_maximum || kind == OP_minimum) && a.exact && b.exact;
  calm(g, binary(g, kind, x, y), bound, exact);
}

void make_compare(Generator *g, Operator kind) {
  Value *x = pick(g, ANY, 0, 5, true), *y = partner(g, x, x->type.element);
  if (fact(g, y).exact) keep(g, binary(g, kind, x, y), 1, true);
}

void make_logic(Generator *g, Operator kind) {
  Value *x = pick(g, BOOLEAN, 0, 5, true);
  keep(g, kind == OP_not ? unary(g, kind, x) : binary(g, kind, x, partner(g, x, ELEMENT_bool)), 1,
       true);
}

void make_where(Generator *g) {
  Value *x = pick(g, ANY, 0, 5, false), *y = partner(g, x, x->type.element);
  Value *c = partner(g, x, ELEMENT_bool);
  Fact a = fact(g, x), b = fact(g, y);
  keep(g, op(g, OP_where, (Value *[]){c, x, y}, 3, NULL, 0), fmax(a.bound, b.bound),
       a.exact && b.exact);
}

void make_cast(Generator *g) {
  Element to = (Element)below(g, ELEMENTS);
  if (!g->options->halves && (to == ELEMENT_f16 || to == ELEMENT_bf16)) to = ELEMENT_f32;
  Value *x = pick(g, ANY, 0, 6, !element_is_float(to));
  Fact f = fact(g, x);
  /* a wrapped integer may be anything; as a float it is brought back */
  calm(g, cast(g, x, to), element_is_float(x->type.element) ? f.bound : 1e9, f.exact);
}

/* ---- reductions and rows ---- */

void make_reduction(Generator *g, Operator kind) {
  Value *x = pick(g, ARITHMETIC, 1, 6, false);
  int64_t axes[MOST_AXES], count = 0;
  double elements = 1;
  for (int a = 0; a < x->type.rank; a++)
    if (chance(g, 40)) {
      axes[count++] = a;
      elements *= (double)dim_max(x->type.dims[a]);
    }
  Attribute attributes[] = {{ATTRIBUTE_axis, attribute_integers(g->module, axes, (int)count)},
                            {ATTRIBUTE_keepdims, attribute_flag(chance(g, 30))}};
  Fact f = fact(g, x);
  calm(g, op(g, kind, &x, 1, attributes, 2), kind == OP_sum ? f.bound * elements : f.bound,
       kind == OP_max && f.exact);
}

void make_along_axis(Generator *g, Operator kind) {
  Value *x = pick(g, kind == OP_softmax ? FLOAT : ARITHMETIC, 1, 5, kind != OP_softmax);
  int axis = axis_of(g, x);
  Attribute attributes[] = {{ATTRIBUTE_axis, integer(g, axis)}, {ATTRIBUTE_k, integer(g, 1)}};
  if (kind == OP_top_k && dim_is_constant(x->type.dims[axis]))
    attributes[1].value = integer(g, 1 + below(g, (int)dim_value(x->type.dims[axis])));
  Fact f = fact(g, x);
  Value *y = op(g, kind, &x, 1, attributes, kind == OP_top_k ? 2 : 1);
  keep(g, y, kind == OP_top_k ? f.bound : 8, f.exact && kind != OP_softmax);
  if (kind == OP_top_k) keep(g, y->op->results[1], 8, true);
}
