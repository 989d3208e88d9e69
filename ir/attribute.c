#include "ir/attribute.h"

#include <string.h>

static bool lists_equal(const DimList *a, const DimList *b) {
  if (a->count != b->count) return false;
  for (int i = 0; i < a->count; i++)
    if (a->items[i] != b->items[i]) return false;
  return true;
}

static bool numbers_equal(const Number *a, const Number *b) { /* bits: NaN is itself, -0 is not 0 */
  if (a->is_integer != b->is_integer) return false;
  if (a->is_integer) return a->integer == b->integer;
  return memcmp(&a->real, &b->real, sizeof a->real) == 0;
}

bool attribute_equal(const AttributeValue *a, const AttributeValue *b) {
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case ATTRIBUTE_DIM:
    return a->dim == b->dim;
  case ATTRIBUTE_NUMBER:
    return numbers_equal(&a->number, &b->number);
  case ATTRIBUTE_FLAG:
    return a->flag == b->flag;
  case ATTRIBUTE_WORD:
    return strcmp(a->word, b->word) == 0;
  case ATTRIBUTE_ELEMENT:
    return a->element == b->element;
  case ATTRIBUTE_DIMS:
    return lists_equal(&a->dims, &b->dims);
  case ATTRIBUTE_DATA:
    return data_equal(a->data, b->data);
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS:
    if (a->lists.count != b->lists.count) return false;
    for (int i = 0; i < a->lists.count; i++)
      if (!lists_equal(&a->lists.items[i], &b->lists.items[i])) return false;
    return true;
  }
  return false;
}
