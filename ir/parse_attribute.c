#include "ir/parse.h"

#include <math.h>
#include <string.h>

/* ---- dims ---- */

static const Dim *parse_sum(Parser *p);

static const Dim *dim_or_fail(Parser *p, Span span, const Dim *dim) {
  if (!dim) parser_fail(p, E0805, span, "an expression of dims is too large");
  return dim;
}

static const Dim *parse_symbol(Parser *p) {
  uint64_t key = map_key(p->token.text);
  const Symbol *symbol = map_get(&p->index_dims, key);
  if (!symbol) symbol = map_get(&p->dims, key);
  if (!symbol) {
    parser_fail(p, E0802, p->token.span, "no dim is named '%s'", p->token.text);
    return NULL;
  }
  parser_advance(p);
  return dim_of_symbol(p->module->dims, symbol);
}

static const Dim *parse_integer(Parser *p, bool negative) {
  uint64_t value = p->token.integer;
  Span span = p->token.span;
  if (value > (uint64_t)INT64_MAX + negative) {
    parser_fail(p, E0801, span, "a number beyond 64 bits");
    return NULL;
  }
  parser_advance(p);
  return dim_constant(p->module->dims, !negative ? (int64_t)value
                                       : value   ? -(int64_t)(value - 1) - 1
                                                 : 0);
}

static const Dim *parse_factor(Parser *p) {
  DimTable *table = p->module->dims;
  const Dim *dim = NULL;
  Span span = p->token.span;
  if (!parser_deeper(p)) return NULL;
  if (parser_take_sign(p, '-')) {
    if (p->token.kind == TOKEN_INT) {
      dim = parse_integer(p, true);
    } else {
      dim = parse_factor(p);
      if (dim) dim = dim_or_fail(p, span, dim_sub(table, dim_constant(table, 0), dim));
    }
    p->depth--;
    return dim;
  }
  if (p->token.kind == TOKEN_INT) {
    dim = parse_integer(p, false);
  } else if (p->token.kind == TOKEN_WORD) {
    dim = parse_symbol(p);
  } else if (parser_take_sign(p, '(')) {
    dim = parse_sum(p);
    if (dim && !parser_sign(p, ')')) dim = NULL;
  } else {
    parser_expected(p, "a dim");
  }
  if (dim && parser_take_sign(p, '/')) {
    int64_t divisor = 0;
    Span where = p->token.span;
    if (!parser_integer(p, &divisor, "a number to divide by")) return NULL;
    if (divisor < 1) {
      parser_fail(p, E0801, where, "a dim is divided by %lld", (long long)divisor);
      return NULL;
    }
    dim = dim_or_fail(p, span, dim_floor(table, dim, divisor));
  }
  p->depth--;
  return dim;
}

static const Dim *parse_product(Parser *p) {
  Span span = p->token.span;
  const Dim *dim = parse_factor(p);
  while (dim && parser_take_sign(p, '*')) {
    const Dim *factor = parse_factor(p);
    if (!factor) return NULL;
    dim = dim_or_fail(p, span, dim_mul(p->module->dims, dim, factor));
  }
  return dim;
}

static const Dim *parse_sum(Parser *p) {
  Span span = p->token.span;
  const Dim *dim = parse_product(p);
  while (dim && (parser_is_sign(p, '+') || parser_is_sign(p, '-'))) {
    bool minus = parser_is_sign(p, '-');
    parser_advance(p);
    const Dim *term = parse_product(p);
    if (!term) return NULL;
    DimTable *table = p->module->dims;
    dim = dim_or_fail(p, span, minus ? dim_sub(table, dim, term) : dim_add(table, dim, term));
  }
  return dim;
}

const Dim *parse_dim(Parser *p) {
  return parse_sum(p);
}

/* [a,b], or one dim for all. */
static bool parse_list(Parser *p, DimList *list) {
  VEC(const Dim *) items = {0};
  if (!parser_sign(p, '[')) return false;
  while (!parser_is_sign(p, ']')) {
    if (items.count && !parser_sign(p, ',')) return false;
    const Dim *dim = parse_dim(p);
    if (!dim) return false;
    if (items.count == 2 * MOST_AXES)
      return parser_fail(p, E0805, p->token.span, "a list of more than %d numbers", 2 * MOST_AXES);
    vec_push(p->arena, &items, dim);
  }
  parser_advance(p);
  *list = (DimList){items.items, (int)items.count};
  return true;
}

bool parse_type(Parser *p, Type *type) {
  Span span = p->token.span;
  const char *name = NULL;
  DimList dims = {0};
  if (!parser_word(p, &name, "an element type")) return false;
  if (!element_find(name, &type->element))
    return parser_fail(p, E0802, span, "no element type is named '%s'", name);
  if (parser_is_sign(p, '[') && !parse_list(p, &dims)) return false;
  if (dims.count > MOST_AXES)
    return parser_fail(p, E0805, span, "a type has %d axes, at most are %d", dims.count, MOST_AXES);
  type->rank = dims.count;
  for (int i = 0; i < dims.count; i++) type->dims[i] = dims.items[i];
  if (type_bytes_at_bound(type) < 0)
    return parser_fail(p, E0805, span, "a tensor of more than 2^47 bytes");
  return true;
}

/* ---- numbers and data ---- */

static bool parse_number(Parser *p, Number *number) {
  bool negative = parser_take_sign(p, '-');
  const Token *t = &p->token;
  if (t->kind == TOKEN_INT) {
    if (t->integer > (uint64_t)INT64_MAX + negative)
      return parser_fail(p, E0801, t->span, "a number beyond 64 bits");
    if (negative && t->integer == 0)
      *number = number_real(-0.0);
    else
      *number = number_integer(negative ? -(int64_t)(t->integer - 1) - 1 : (int64_t)t->integer);
  } else if (t->kind == TOKEN_FLOAT) {
    *number = number_real(negative ? -t->real : t->real);
  } else if (parser_is_word(p, "inf")) {
    *number = number_real(negative ? -INFINITY : INFINITY);
  } else if (parser_is_word(p, "nan")) {
    *number = number_real(NAN);
  } else if (parser_is_word(p, "true") || parser_is_word(p, "false")) {
    *number = number_integer(parser_is_word(p, "true"));
  } else {
    return parser_expected(p, "a number");
  }
  parser_advance(p);
  return true;
}

static bool parse_hash(Parser *p, WrittenData *data) {
  const char *word = p->token.text;
  bool fine = word[0] == 'x' && strlen(word) == 9;
  data->hash = 0;
  for (int i = 1; fine && i < 9; i++) {
    const char *digits = "0123456789abcdef", *digit = strchr(digits, word[i]);
    fine = digit != NULL;
    if (fine) data->hash = data->hash << 4 | (uint32_t)(digit - digits);
  }
  if (!fine) return parser_expected(p, "a hash: x and 8 hex digits");
  parser_advance(p);
  return true;
}

bool parse_data(Parser *p, WrittenData *data) {
  VEC(Number) numbers = {0};
  Number number;
  *data = (WrittenData){.span = p->token.span};
  if (!parser_take_word(p, "dense")) {
    if (!parse_number(p, &number)) return false;
    vec_push(p->arena, &numbers, number);
  } else {
    if (!parser_sign(p, '<')) return false;
    data->is_elided = p->token.kind == TOKEN_WORD;
    data->is_list = !data->is_elided;
    if (data->is_elided ? !parse_hash(p, data) : !parser_sign(p, '[')) return false;
    for (bool first = true; !parser_is_sign(p, ']'); first = false) {
      if ((data->is_elided || !first) && !parser_sign(p, ',')) return false;
      if (data->is_elided && parser_take_sign(p, SIGN_DOTS)) break;
      if (!parse_number(p, &number)) return false;
      if (numbers.count == DATA_MOST_SHOWN)
        return parser_fail(p, E0805, p->token.span,
                           "more than %d numbers: they belong into the "
                           ".safetensors file beside the text",
                           DATA_MOST_SHOWN);
      vec_push(p->arena, &numbers, number);
    }
    if (!data->is_elided && !parser_sign(p, ']')) return false;
    if (!parser_sign(p, '>')) return false;
  }
  data->numbers = numbers.items;
  data->count = (int)numbers.count;
  return true;
}

Data *parse_make_data(Parser *p, const WrittenData *written, const Type *type) {
  if (!type_is_static(type)) {
    parser_fail(p, E0803, written->span, "data need a type of fixed sizes");
    return NULL;
  }
  for (int i = 0; i < type->rank; i++)
    if (dim_value(type->dims[i]) < 0) {
      parser_fail(p, E0803, written->span, "a size below 0");
      return NULL;
    }
  int64_t count = type_static_count(type);
  if (written->is_elided ? written->count > count : written->count != count) {
    parser_fail(p, E0803, written->span, "%d numbers for %s", written->count,
                type_text(p->arena, type));
    return NULL;
  }
  Element e = type->element;
  char *bytes = arena_array(p->arena, (size_t)written->count, (size_t)element_infos[e].bytes);
  for (int i = 0; i < written->count; i++) {
    Number number = written->numbers[i];
    if (!element_is_float(e)) {
      element_store_integer(e, bytes, i, number.integer);
      if (!number.is_integer || element_load_integer(e, bytes, i) != number.integer) {
        parser_fail(p, E0803, written->span, "number %d does not fit into %s", i + 1,
                    element_infos[e].name);
        return NULL;
      }
    } else {
      element_store(e, bytes, i, number.is_integer ? (double)number.integer : number.real);
    }
  }
  Data *data = data_new(p->arena, e, count, written->is_elided ? NULL : bytes);
  if (written->is_elided) {
    data->hashed = true;
    for (int i = 0; i < 4; i++) data->sha256[i] = (uint8_t)(written->hash >> (24 - 8 * i));
    data->first = bytes;
    data->first_count = written->count;
  }
  return data;
}

/* ---- attributes ---- */

static bool parse_lists(Parser *p, AttributeValue *value, AttributeKind kind) {
  VEC(DimList) lists = {0};
  if (!parser_sign(p, '[')) return false;
  while (!parser_is_sign(p, ']')) {
    DimList list;
    if (lists.count && !parser_sign(p, ',')) return false;
    if (!parse_list(p, &list)) return false;
    if (lists.count == 2 * MOST_AXES)
      return parser_fail(p, E0805, p->token.span, "a list of more than %d lists", 2 * MOST_AXES);
    vec_push(p->arena, &lists, list);
  }
  parser_advance(p);
  *value = (AttributeValue){.kind = kind, .lists = {lists.items, (int)lists.count}};
  return true;
}

static bool parse_value(Parser *p, AttributeKind kind, AttributeValue *value, WrittenData *data) {
  Span span = p->token.span;
  value->kind = kind;
  switch (kind) {
  case ATTRIBUTE_DIM:
    return (value->dim = parse_dim(p)) != NULL;
  case ATTRIBUTE_NUMBER:
    return parse_number(p, &value->number);
  case ATTRIBUTE_WORD:
    return parser_word(p, &value->word, "a word");
  case ATTRIBUTE_DATA:
    return parse_data(p, data);
  case ATTRIBUTE_PAIRS:
  case ATTRIBUTE_LISTS:
    return parse_lists(p, value, kind);
  case ATTRIBUTE_DIMS:
    if (parser_is_sign(p, '[')) return parse_list(p, &value->dims);
    value->kind = ATTRIBUTE_DIM;
    return (value->dim = parse_dim(p)) != NULL;
  case ATTRIBUTE_FLAG:
    value->flag = parser_is_word(p, "true");
    if (!value->flag && !parser_is_word(p, "false")) return parser_expected(p, "true or false");
    parser_advance(p);
    return true;
  case ATTRIBUTE_ELEMENT: {
    const char *name = NULL;
    if (!parser_word(p, &name, "an element type")) return false;
    if (element_find(name, &value->element)) return true;
    return parser_fail(p, E0802, span, "no element type is named '%s'", name);
  }
  }
  return false;
}

bool parse_attributes(Parser *p, Operator kind, Attribute *given, int *count, WrittenData *data) {
  const OperatorInfo *info = &operator_infos[kind];
  if (!parser_sign(p, '{')) return false;
  do {
    Span span = p->token.span;
    const char *name = NULL;
    const AttributeRow *row = NULL;
    if (!parser_word(p, &name, "an attribute's name")) return false;
    for (int i = 0; i < operator_attribute_count(kind) && !row; i++)
      if (strcmp(attribute_names[info->attributes[i].name], name) == 0) row = &info->attributes[i];
    if (!row) return parser_fail(p, E0802, span, "'%s' has no attribute '%s'", info->name, name);
    for (int i = 0; i < *count; i++)
      if (given[i].name == row->name)
        return parser_fail(p, E0804, span, "'%s' is given twice", name);
    Attribute *attribute = &given[(*count)++];
    *attribute = (Attribute){.name = row->name};
    if (!parser_sign(p, '=') || !parse_value(p, row->kind, &attribute->value, data)) return false;
  } while (parser_take_sign(p, ','));
  return parser_sign(p, '}');
}

/* ---- locations ---- */

static bool parse_one_location(Parser *p, Location *location) {
  int64_t line = 0, column = 0;
  if (p->token.kind == TOKEN_WORD) {
    uintptr_t file = (uintptr_t)map_get(&p->files, map_key(p->token.text));
    if (!file) return parser_fail(p, E0802, p->token.span, "no file is named '%s'", p->token.text);
    location->file = (int)file - 1;
    parser_advance(p);
    if (!parser_sign(p, ':')) return false;
  }
  Span span = p->token.span;
  if (!parser_integer(p, &line, "a line") || !parser_sign(p, ':') ||
      !parser_integer(p, &column, "a column"))
    return false;
  if (line > INT32_MAX || column > INT32_MAX)
    return parser_fail(p, E0805, span, "a line or column that is too large");
  location->line = (int)line;
  location->column = (int)column;
  return true;
}

bool parse_location(Parser *p, const Location **at) {
  *at = NULL;
  if (!parser_take_word(p, "at")) return true;
  const Location **slot = at;
  do {
    Location *location = ARENA_NEW(p->arena, Location);
    if (!parse_one_location(p, location)) return false;
    *slot = location;
    slot = &location->via;
  } while (parser_take_word(p, "via"));
  return true;
}
