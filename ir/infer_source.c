/* Types of what is made from nothing, of memory, and of regions. */
#include "ir/infer.h"

static bool declared(Inference *i) {
  Type type = i->out[0];
  return infer_result(i, &type);
}

bool infer_constant(Inference *i) {
  const Data *data = infer_attribute(i, ATTRIBUTE_value)->data;
  Type type = i->out[0];
  if (!infer_result(i, &type)) return false;
  if (type_is_static(&type) && data->element == type.element &&
      data->count == type_static_count(&type))
    return true;
  infer_fail(i, E0210, -1, "a constant's data are not of its type");
  infer_label(i, "%lld of %s for %s", (long long)data->count, element_infos[data->element].name,
              infer_type_text(i, &type));
  return false;
}

bool infer_full(Inference *i) {
  return declared(i);
}

static bool declared_fail(Inference *i, const char *needs) {
  infer_fail(i, E0202, -1, "'%s' makes %s, not %s", operator_spelling(i->kind), needs,
             infer_type_text(i, &i->out[0]));
  return false;
}

bool infer_iota(Inference *i) {
  Element e = i->out[0].element;
  if (!element_is_float(e) && e != ELEMENT_i32 && e != ELEMENT_i64)
    return declared_fail(i, "floats, i32 or i64");
  return declared(i);
}

bool infer_dim_value(Inference *i) {
  if (i->out[0].element != ELEMENT_i64 || i->out[0].rank != 0)
    return declared_fail(i, "a single i64");
  return declared(i);
}

bool infer_random(Inference *i) {
  if (!element_is_float(i->out[0].element)) return declared_fail(i, "floats");
  return infer_constants(i, ATTRIBUTE_site, 0) && declared(i);
}

bool infer_read(Inference *i) {
  return declared(i);
}

bool infer_write(Inference *i) {
  i->out_count = 0;
  return true;
}

bool infer_grad(Inference *i) {
  if (!infer_float(i, 0)) return false;
  if (i->in[0].rank != 0) {
    infer_fail(i, E0202, 0, "a gradient is of a single number");
    infer_label(i, "%s", infer_type_text(i, &i->in[0]));
    infer_help(i, "take its sum or its mean");
    return false;
  }
  for (int n = 1; n < i->in_count; n++)
    if (!infer_float(i, n) || !infer_another_result(i, &i->in[n])) return false;
  return true;
}

/* The region decides: module_verify compares the types. */
bool infer_fused(Inference *i) {
  return infer_fail(i, E0211, -1, "'fused' has its types from its region");
}

bool infer_scan(Inference *i) {
  return infer_fail(i, E0211, -1, "'scan' has its types from its region");
}
