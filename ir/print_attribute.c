/* print_attribute.c - what stands between operations in text: names, numbers, data, attributes. */
#include "ir/print.h"

#include "ir/attention.h"
#include "support/map.h"

#include <math.h>
#include <string.h>

/* ---- names ---- */

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(const char *name, const char *also) {
  if (!is_letter(*name) && !*also) return false;
  for (const char *c = name; *c; c++)
    if (!is_letter(*c) && !(*c >= '0' && *c <= '9') && !(*also && *c == *also)) return false;
  return *name != 0;
}

void print_string(Text *text, const char *string) {
  text_char(text, '"');
  for (const char *c = string; *c; c++) {
    if (*c == '"' || *c == '\\') text_char(text, '\\');
    if (*c == '\n')
      text_string(text, "\\n");
    else
      text_char(text, *c);
  }
  text_char(text, '"');
}

void print_word(Text *text, const char *name) {
  if (is_word(name, ""))
    text_string(text, name);
  else
    print_string(text, name);
}

void print_global(Text *text, const char *name) {
  text_char(text, '@');
  if (is_word(name, "."))
    text_string(text, name);
  else
    print_string(text, name);
}

void value_print(Text *text, const Value *value) {
  text_char(text, '%');
  if (value->name)
    print_word(text, value->name);
  else
    text_format(text, "%d", value->number);
}

void print_values(Text *text, Value *const *values, int count) {
  for (int i = 0; i < count; i++) {
    if (i) text_string(text, ", ");
    value_print(text, values[i]);
  }
}

/* ---- numbers and data ---- */

static void print_real(Text *text, Element element, double value) {
  if (element == ELEMENT_f64)
    text_double(text, value);
  else
    text_float(text, (float)value);
}

static void print_number(Text *text, Element element, const Number *number) {
  if (number->is_integer)
    text_format(text, "%lld", (long long)number->integer);
  else
    print_real(text, element, number->real);
}

static void print_element(Text *text, Element element, const void *bytes, int64_t index) {
  if (element == ELEMENT_bool)
    text_string(text, element_load_integer(element, bytes, index) ? "true" : "false");
  else if (element_is_float(element))
    print_real(text, element, element_load(element, bytes, index));
  else
    text_format(text, "%lld", (long long)element_load_integer(element, bytes, index));
}

/* The text "nan" reads back as one of the many NaNs. */
static bool has_another_nan(const Data *data) {
  if (!element_is_float(data->element)) return false;
  int size = element_infos[data->element].bytes;
  for (int64_t i = 0; i < data->count; i++) {
    double value = data_get(data, i);
    uint64_t slot = 0;
    if (!isnan(value)) continue;
    element_store(data->element, &slot, 0, NAN);
    if (memcmp(&slot, (const char *)data_contents(data) + i * size, (size_t)size) != 0) return true;
  }
  return false;
}

static bool is_elided(const Data *data) {
  return !data_is_known(data) || data->count > DATA_MOST_SHOWN || has_another_nan(data);
}

void print_data(Printer *p, const Data *data, bool alone) {
  Text *text = p->text;
  bool elided = is_elided(data);
  if (alone && !elided) {
    print_element(text, data->element, data_contents(data), 0);
    return;
  }
  text_string(text, "dense<");
  const void *bytes = data_contents(data);
  int64_t shown = data->count;
  if (elided) {
    /* hashing keeps its result in the data, which means the same afterwards */
    text_string(text, data_hash(p->module->arena, (Data *)data));
    shown = bytes ? (data->count < 3 ? data->count : 3) : data->first_count;
    if (!bytes) bytes = data->first;
  }
  if (!elided) text_char(text, '[');
  for (int64_t i = 0; i < shown; i++) {
    if (i || elided) text_string(text, ", ");
    print_element(text, data->element, bytes, i);
  }
  text_string(text, elided ? ", ...>" : "]>");
}

static void add_stored(const Module *module, StoredDataList *list, Map *seen, const char *name,
                       const Type *type, const Data *data) {
  const char *key = intern(module->names, name);
  if (!is_elided(data) || map_get(seen, map_key(key))) return;
  map_set(module->arena, seen, map_key(key), (void *)data);
  vec_push(module->arena, list, ((StoredData){key, type, data}));
}

static void add_stored_of(const Module *module, StoredDataList *list, Map *seen,
                          const Block *block) {
  for (const Op *op = block->first; op; op = op->next) {
    if (op->region) add_stored_of(module, list, seen, op->region);
    if (op->kind != OP_constant) continue;
    const Data *data = op_attribute(op, ATTRIBUTE_value)->data;
    if (is_elided(data))
      add_stored(module, list, seen, data_hash(module->arena, (Data *)data), &op_result(op)->type,
                 data);
  }
}

StoredDataList module_stored_data(const Module *module) {
  StoredDataList list = {0};
  Map seen = {0};
  for (size_t i = 0; i < module->tensors.count; i++) {
    const Tensor *tensor = module->tensors.items[i];
    if (tensor->data) add_stored(module, &list, &seen, tensor->name, &tensor->type, tensor->data);
  }
  for (size_t i = 0; i < module->functions.count; i++)
    add_stored_of(module, &list, &seen, module->functions.items[i]->body);
  return list;
}

/* ---- attributes ---- */

static void print_list(Text *text, const DimList *list) {
  text_char(text, '[');
  for (int i = 0; i < list->count; i++) {
    if (i) text_char(text, ',');
    dim_print(text, list->items[i]);
  }
  text_char(text, ']');
}

static bool all_are(const DimList *list, int64_t value) {
  for (int i = 0; i < list->count; i++)
    if (!dim_is(list->items[i], value)) return false;
  return true;
}

static bool is_standard(const AttributeRow *row, const AttributeValue *value) {
  if (!*row->standard) return false;
  int64_t number = *row->standard == '1'; /* of those that are numbers: 0 or 1 */
  switch (value->kind) {
  case ATTRIBUTE_DIM:
    return dim_is(value->dim, number);
  case ATTRIBUTE_FLAG:
    return value->flag == (strcmp(row->standard, "true") == 0);
  case ATTRIBUTE_WORD:
    return strcmp(value->word, row->standard) == 0;
  case ATTRIBUTE_DIMS:
    return all_are(&value->dims, number);
  case ATTRIBUTE_NUMBER:
    return value->number.is_integer
               ? value->number.integer == number
               : value->number.real == (double)number && !signbit(value->number.real);
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS:
    for (int i = 0; i < value->lists.count; i++)
      if (value->kind == ATTRIBUTE_LISTS ? value->lists.items[i].count != 0
                                         : !all_are(&value->lists.items[i], number))
        return false;
    return true;
  default:
    return false;
  }
}

/* The type whose elements a NUMBER is one of. */
static Element number_element(const Op *op) {
  Element e = op->operand_count ? op->operands[0]->type.element : op_result(op)->type.element;
  return is_attention(op->kind) && e != ELEMENT_f64 ? ELEMENT_f32 : e;
}

static void print_attribute(Printer *p, const Op *op, const AttributeValue *value) {
  Text *text = p->text;
  switch (value->kind) {
  case ATTRIBUTE_DIM:
    dim_print(text, value->dim);
    break;
  case ATTRIBUTE_NUMBER:
    print_number(text, number_element(op), &value->number);
    break;
  case ATTRIBUTE_FLAG:
    text_string(text, value->flag ? "true" : "false");
    break;
  case ATTRIBUTE_WORD:
    print_word(text, value->word);
    break;
  case ATTRIBUTE_ELEMENT:
    text_string(text, element_infos[value->element].name);
    break;
  case ATTRIBUTE_DIMS:
    print_list(text, &value->dims);
    break;
  case ATTRIBUTE_DATA:
    print_data(p, value->data, op_result(op)->type.rank == 0);
    break;
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS:
    text_char(text, '[');
    for (int i = 0; i < value->lists.count; i++) {
      if (i) text_char(text, ',');
      print_list(text, &value->lists.items[i]);
    }
    text_char(text, ']');
    break;
  }
}

void print_attributes(Printer *p, const Op *op) {
  const char *before = " {";
  for (int i = 0; i < operator_attribute_count(op->kind); i++) {
    const AttributeRow *row = &operator_infos[op->kind].attributes[i];
    if (is_standard(row, &op->attributes[i].value)) continue;
    text_format(p->text, "%s%s=", before, attribute_names[row->name]);
    print_attribute(p, op, &op->attributes[i].value);
    before = ", ";
  }
  if (*before == ',') text_char(p->text, '}');
}
