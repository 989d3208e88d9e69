#include "ir/parse.h"

#include "ir/part.h"

#include <string.h>

/* Numbers of values are counted on from the largest; and what is checked at a call stays few. */
enum { MOST_NUMBER = 16 * MOST_OPERATIONS, MOST_CHECKS = 1000 };

/* ---- values: each block has its own names ---- */

struct Scope {
  Map values;
};

static uint64_t value_key(const Token *t) {
  return t->text ? map_key(t->text) : t->integer * 2 + 1;
}

static bool parse_use(Parser *p, const Scope *scope, Value **value) {
  if (p->token.kind != TOKEN_VALUE) return parser_expected(p, "a %value");
  *value = map_get(&scope->values, value_key(&p->token));
  if (!*value) {
    Span s = p->token.span;
    return parser_fail(p, E0802, s, "%.*s is not made before this in this block",
                       (int)(s.to - s.from < 60 ? s.to - s.from : 60), p->lexer.bytes + s.from);
  }
  parser_advance(p);
  return true;
}

typedef VEC(Value *) ValueList;

static bool parse_uses(Parser *p, const Scope *scope, ValueList *list) {
  do {
    Value *value;
    if (!parse_use(p, scope, &value)) return false;
    vec_push(p->arena, list, value);
  } while (parser_take_sign(p, ','));
  return true;
}

/* A value takes the name that the text gives it. */
static bool define(Parser *p, Scope *scope, const Token *t, Value *value) {
  uint64_t key = value_key(t);
  Function *f = p->function;
  if (map_get(&scope->values, key))
    return parser_fail(p, E0804, t->span, "this value is made twice");
  if (!t->text && t->integer >= MOST_NUMBER)
    return parser_fail(p, E0805, t->span, "values are numbered up to %d", MOST_NUMBER);
  map_set(p->arena, &scope->values, key, value);
  value->name = t->text;
  value->number = t->text ? -1 : (int)t->integer;
  if (value->number >= f->next_number) f->next_number = value->number + 1;
  return true;
}

typedef VEC(Token) TokenList;

static bool parse_definitions(Parser *p, TokenList *list) {
  do {
    if (p->token.kind != TOKEN_VALUE) return parser_expected(p, "a %value");
    vec_push(p->arena, list, p->token);
    parser_advance(p);
  } while (parser_take_sign(p, ','));
  return true;
}

/* ---- places in memory: a view's value is known when the whole block is ---- */

bool parse_place(Parser *p, const Scope *scope, MemoryPlace *place) {
  static const struct {
    const char *word;
    PlaceKind kind;
  } kinds[] = {{"arena", PLACE_ARENA},
               {"param", PLACE_PARAM},
               {"state", PLACE_STATE},
               {"caller", PLACE_CALLER}};
  if (!parser_take_word(p, "in")) return true;
  if (p->token.kind == TOKEN_VALUE && scope) {
    place->kind = PLACE_VIEW;
    if (!parse_use(p, scope, &place->of)) return false;
  } else {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      if (parser_is_word(p, kinds[i].word)) place->kind = kinds[i].kind;
    if (!place->kind) return parser_expected(p, "arena, param, state, caller or a value");
    parser_advance(p);
  }
  return !parser_take_sign(p, '+') || parser_integer(p, &place->offset, "an offset");
}

/* ---- operations ---- */

static bool parse_block(Parser *p, Block *block, Scope *scope);

typedef struct {
  TokenList names;
  Operator kind;
  Span span;
  const char *symbol;
  ValueList operands;
  Attribute given[MOST_ATTRIBUTES];
  int given_count;
  WrittenData data;
  Block *region;
  VEC(Type) types;
  VEC(MemoryPlace) places;
  bool again;
} ParsedOp;

static bool parse_region(Parser *p, ParsedOp *op, const Scope *outer) {
  Scope scope = {0};
  op->region = block_new(p->function, NULL);
  if (!parser_sign(p, '(')) return false;
  while (!parser_is_sign(p, ')')) {
    if (op->operands.count && !parser_sign(p, ',')) return false;
    BindKind bind = parser_take_word(p, "carry")  ? BIND_CARRY
                    : parser_take_word(p, "each") ? BIND_EACH
                                                  : BIND_PLAIN;
    Token name = p->token;
    Value *operand;
    if (name.kind != TOKEN_VALUE) return parser_expected(p, "a %value");
    parser_advance(p);
    if (!parser_sign(p, '=') || !parse_use(p, outer, &operand)) return false;
    vec_push(p->arena, &op->operands, operand);
    Type type = operand->type;
    Attribute axis = {.value = {.dim = dim_constant(p->module->dims, 0)}};
    for (int i = 0; i < op->given_count; i++)
      if (op->given[i].name == ATTRIBUTE_axis) axis = op->given[i];
    if (bind == BIND_EACH) {
      if (op->kind != OP_scan || !dim_is_constant(axis.value.dim) ||
          dim_value(axis.value.dim) < 0 || dim_value(axis.value.dim) >= type.rank)
        return parser_fail(p, E0803, name.span, "'each' needs a sequence with the scan's axis");
      type.rank--;
      for (int a = (int)dim_value(axis.value.dim); a < type.rank; a++)
        type.dims[a] = type.dims[a + 1];
    }
    int keep = p->function->next_number;
    Value *argument = block_add_argument(op->region, NULL, type, bind);
    p->function->next_number = keep;
    if (!define(p, &scope, &name, argument)) return false;
  }
  parser_advance(p);
  if (!parser_deeper(p) || !parse_block(p, op->region, &scope)) return false;
  p->depth--;
  return true;
}

static bool parse_operator(Parser *p, ParsedOp *op) {
  static const char *const names[OPERATORS] = {
#define OPERATOR(name, least, most, results, traits, attributes, shape, meaning) #name,
#include "ir/operators.def"
#undef OPERATOR
  };
  const char *name = NULL;
  op->span = p->token.span;
  if (!parser_word(p, &name, "an operator")) return false;
  if (operator_find(name, &op->kind)) return true;
  Diagnostic *d = diag_report(p->diagnostics, E0802, op->span, "no operator is named '%s'", name);
  const char *nearest = nearest_name(name, names, OPERATORS);
  if (nearest) diag_help(d, "there is '%s'", nearest);
  return false;
}

static bool parse_types(Parser *p, ParsedOp *op, const Scope *scope) {
  if (!parser_take_sign(p, ':')) return true;
  do {
    Type type = {0};
    MemoryPlace place = {0};
    if (!parse_type(p, &type) || !parse_place(p, scope, &place)) return false;
    vec_push(p->arena, &op->types, type);
    vec_push(p->arena, &op->places, place);
  } while (parser_take_sign(p, ','));
  return true;
}

static bool report_failure(Parser *p, const ParsedOp *op, const Failure *f) {
  Diagnostic *d = diag_report(p->diagnostics, f->code, op->span, "%s", f->message);
  if (f->label) diag_label(d, "%s", f->label);
  if (f->help) diag_help(d, "%s", f->help);
  return false;
}

/* Result types by inference, which the written ones must equal; of regions the written ones. */
static bool infer_results(Parser *p, ParsedOp *op, Attribute *complete, Type *inferred,
                          const Type **results, int *count) {
  const OperatorInfo *info = &operator_infos[op->kind];
  Failure failure;
  int operand_count = (int)op->operands.count;
  Type few[8], *types = few;
  if (operand_count > 8) types = ARENA_ARRAY(p->arena, (size_t)operand_count, Type);
  for (int i = 0; i < operand_count; i++) types[i] = op->operands.items[i]->type;
  const Type *declared = NULL;
  if (info->most == 0) {
    if (op->types.count != 1)
      return parser_fail(p, E0803, op->span, "'%s' needs its type", info->name);
    declared = &op->types.items[0];
    inferred[0] = *declared;
    if (op->kind == OP_constant && op->given_count) {
      const Data *data = parse_make_data(p, &op->data, declared);
      if (!data) return false;
      op->given[0].value = attribute_data(data);
    }
  }
  if (!attributes_complete(p->module, op->kind, types, operand_count, declared, op->given,
                           op->given_count, complete, &failure))
    return report_failure(p, op, &failure);
  *results = op->types.items;
  *count = (int)op->types.count;
  if (operator_has(op->kind, TRAIT_REGION)) return true;
  if (!infer(p->module, op->kind, types, operand_count, complete, inferred, count, &failure, NULL))
    return report_failure(p, op, &failure);
  *results = inferred;
  if (op->types.count && (int)op->types.count != *count)
    return parser_fail(p, E0803, op->span, "'%s' has %d results, %zu types are written", info->name,
                       *count, op->types.count);
  for (size_t i = 0; i < op->types.count; i++)
    if (!type_equal(&op->types.items[i], &inferred[i]))
      return parser_fail(p, E0803, op->span, "'%s' gives %s, not %s", info->name,
                         type_text(p->arena, &inferred[i]),
                         type_text(p->arena, &op->types.items[i]));
  return true;
}

static uintptr_t pack_span(Span span) {
  return (uintptr_t)span.from << 32 | span.to;
}

static bool make_op(Parser *p, ParsedOp *parsed, Block *block, Scope *scope, const Location *at) {
  Attribute complete[MOST_ATTRIBUTES];
  Type few[8] = {0}, *inferred = few;
  const Type *results = NULL;
  if (parsed->operands.count > 8) inferred = ARENA_ARRAY(p->arena, parsed->operands.count, Type);
  int count = 0;
  if (++p->operations > MOST_OPERATIONS)
    return parser_fail(p, E0805, parsed->span, "more than %d operations", MOST_OPERATIONS);
  if (!infer_results(p, parsed, complete, inferred, &results, &count)) return false;
  if ((size_t)count != parsed->names.count)
    return parser_fail(p, E0803, parsed->span, "'%s' has %d results, %zu are named",
                       operator_infos[parsed->kind].name, count, parsed->names.count);
  int keep = p->function->next_number;
  Op *op = op_new(p->function, parsed->kind, parsed->operands.items, (int)parsed->operands.count,
                  complete, results, count);
  p->function->next_number = keep;
  op->symbol = parsed->symbol;
  op->again = parsed->again;
  op->at = at;
  op->region = parsed->region;
  if (op->region) op->region->op = op;
  for (int i = 0; i < count; i++) {
    if (!define(p, scope, &parsed->names.items[i], op->results[i])) return false;
    if (parsed->places.count) op->results[i]->place = parsed->places.items[i];
  }
  op_append(block, op);
  map_set(p->arena, &p->spans, map_key(op), (void *)pack_span(parsed->span));
  return true;
}

static bool parse_op(Parser *p, Block *block, Scope *scope) {
  ParsedOp op = {0};
  const Location *at;
  if (p->token.kind == TOKEN_VALUE) {
    if (!parse_definitions(p, &op.names) || !parser_sign(p, '=')) return false;
  }
  if (!parse_operator(p, &op)) return false;
  const OperatorInfo *info = &operator_infos[op.kind];
  if (p->token.kind == TOKEN_GLOBAL && !parser_global(p, &op.symbol)) return false;
  if (!op.symbol != !(info->traits & TRAIT_SYMBOL))
    return parser_fail(p, E0803, op.span, "'%s' has %s", info->name,
                       op.symbol ? "no @name" : "a @name");
  if (p->token.kind == TOKEN_VALUE && !parse_uses(p, scope, &op.operands)) return false;
  if (parser_is_sign(p, '{') && !parse_attributes(p, op.kind, op.given, &op.given_count, &op.data))
    return false;
  if (info->traits & TRAIT_REGION) {
    if (op.operands.count)
      return parser_fail(p, E0803, op.span, "a region's operands stand in its head");
    if (!parse_region(p, &op, scope)) return false;
  }
  if (!parse_types(p, &op, scope)) return false;
  op.again = parser_take_word(p, "again");
  return parse_location(p, &at) && make_op(p, &op, block, scope, at);
}

/* ---- blocks ---- */

static bool parse_check(Parser *p) {
  Check check = {0};
  Span span = p->token.span;
  check.left = parse_dim(p);
  if (!check.left) return false;
  if (parser_take_sign(p, SIGN_EQUAL))
    check.kind = CHECK_EQUAL;
  else if (parser_take_sign(p, SIGN_LESS_EQUAL))
    check.kind = CHECK_LESS_OR_EQUAL;
  else if (parser_take_sign(p, '<'))
    check.kind = CHECK_LESS;
  else
    return parser_expected(p, "'==', '<=' or '<'");
  check.right = parse_dim(p);
  if (!check.right || !parse_location(p, &check.at)) return false;
  if (p->function->checks.count == MOST_CHECKS)
    return parser_fail(p, E0805, span, "more than %d checks", MOST_CHECKS);
  vec_push(p->arena, &p->function->checks, check);
  return true;
}

static bool starts_end(const Parser *p) {
  return parser_is_word(p, "return") || parser_is_word(p, "yield");
}

static bool parse_block(Parser *p, Block *block, Scope *scope) {
  if (!parser_sign(p, '{')) return false;
  bool is_region = block != p->function->body;
  while (!is_region && parser_take_word(p, "check"))
    if (!parse_check(p)) return false;
  while (!starts_end(p)) {
    if (p->token.kind != TOKEN_VALUE && p->token.kind != TOKEN_WORD)
      return parser_expected(p, is_region ? "an operation or yield" : "an operation or return");
    if (!parse_op(p, block, scope)) return false;
  }
  if (parser_is_word(p, "yield") != is_region)
    return parser_expected(p, is_region ? "yield" : "return");
  parser_advance(p);
  ValueList yields = {0}, emits = {0};
  if (p->token.kind == TOKEN_VALUE && !parse_uses(p, scope, &yields)) return false;
  if (parser_take_word(p, "emit") && !parse_uses(p, scope, &emits)) return false;
  if (parser_take_word(p, "while") && !parse_use(p, scope, &block->while_)) return false;
  block->yields = yields.items;
  block->yield_count = (int)yields.count;
  block->emits = emits.items;
  block->emit_count = (int)emits.count;
  return parser_sign(p, '}');
}

/* ---- functions ---- */

static bool parse_index_dim(Parser *p) {
  Function *f = p->function;
  Span span = p->token.span;
  const char *name = NULL;
  int64_t from = 0, to = 0;
  if (!parser_word(p, &name, "a dim's name") || !parser_sign(p, ':')) return false;
  if (!parser_take_word(p, "dim")) return parser_expected(p, "dim");
  if (!parser_take_word(p, "in")) return parser_expected(p, "in");
  if (!parser_integer(p, &from, "a bound") || !parser_sign(p, SIGN_RANGE) ||
      !parser_integer(p, &to, "a bound"))
    return false;
  if (map_get(&p->index_dims, map_key(name)) || map_get(&p->dims, map_key(name)))
    return parser_fail(p, E0804, span, "two dims are named '%s'", name);
  if (from >= to)
    return parser_fail(p, E0803, span, "no number is in %lld..%lld", (long long)from,
                       (long long)to);
  Symbol *symbol = dim_symbol_new(p->module->dims, name, from, to - 1, true);
  map_set(p->arena, &p->index_dims, map_key(name), symbol);
  vec_push(p->arena, &f->dims, symbol);
  return true;
}

static bool parse_argument(Parser *p, Scope *scope) {
  Type type = {0};
  Token name = p->token;
  if (name.kind == TOKEN_WORD) return parse_index_dim(p);
  if (name.kind != TOKEN_VALUE) return parser_expected(p, "an argument");
  parser_advance(p);
  if (!parser_sign(p, ':') || !parse_type(p, &type)) return false;
  int keep = p->function->next_number;
  Value *value = function_add_input(p->function, NULL, type);
  p->function->next_number = keep;
  return define(p, scope, &name, value) && parse_place(p, NULL, &value->place);
}

static bool parse_result(Parser *p) {
  Result result = {0};
  MemoryPlace place = {0};
  bool named =
      p->token.kind == TOKEN_STRING || (p->ahead.kind == TOKEN_SIGN && p->ahead.sign == ':');
  if (named) {
    result.is_named = true;
    if (!parser_any_name(p, &result.name, "a result's name") || !parser_sign(p, ':')) return false;
  }
  if (!parse_type(p, &result.type) || !parse_place(p, NULL, &place)) return false;
  vec_push(p->arena, &p->function->results, result);
  return true;
}

static bool parse_results(Parser *p) {
  Function *f = p->function;
  if (!parser_take_sign(p, SIGN_ARROW)) return true;
  if (!parser_take_sign(p, '(')) {
    if (!parse_result(p)) return false;
  } else {
    do
      if (!parse_result(p)) return false;
    while (parser_take_sign(p, ','));
    if (!parser_sign(p, ')')) return false;
  }
  for (size_t i = 0; i < f->results.count; i++)
    if (!f->results.items[i].is_named)
      f->results.items[i].name = intern(
          p->module->names, f->results.count == 1 ? "out" : arena_format(p->arena, "out%zu", i));
  return true;
}

static bool parse_plan(Parser *p) {
  Function *f = p->function;
  if (!parser_take_word(p, "plan")) return true;
  f->is_planned = true;
  if (!parser_sign(p, '{')) return false;
  do {
    const char *name = NULL;
    int64_t value = 0;
    Span span = p->token.span;
    if (!parser_word(p, &name, "arena or align") || !parser_sign(p, '=') ||
        !parser_integer(p, &value, "a number"))
      return false;
    if (strcmp(name, "arena") == 0)
      f->arena_bytes = value;
    else if (strcmp(name, "align") == 0)
      f->arena_align = value;
    else
      return parser_fail(p, E0802, span, "a plan has no '%s'", name);
  } while (parser_take_sign(p, ','));
  return parser_sign(p, '}');
}

static bool parse_function(Parser *p, Map *functions) {
  int kind = 0;
  while (kind < FUNCTION_KINDS && !parser_is_word(p, function_kind_names[kind])) kind++;
  if (kind == FUNCTION_KINDS) return parser_expected(p, "model, train, value or init");
  parser_advance(p);
  Span span = p->token.span;
  const char *name = NULL;
  Scope scope = {0};
  if (!parser_global(p, &name)) return false;
  if (map_get(functions, map_key(name)))
    return parser_fail(p, E0804, span, "two functions are named '%s'", name);
  p->function = module_add_function(p->module, (FunctionKind)kind, name);
  map_set(p->arena, functions, map_key(name), p->function);
  p->index_dims = (Map){0};
  if (!parser_sign(p, '(')) return false;
  for (bool first = true; !parser_is_sign(p, ')'); first = false) {
    if (!first && !parser_sign(p, ',')) return false;
    if (!parse_argument(p, &scope)) return false;
  }
  parser_advance(p);
  if (!parse_results(p) || !parse_plan(p) || !parse_block(p, p->function->body, &scope))
    return false;
  if (p->function->is_planned) block_find_parts(p->function->body);
  return true;
}

/* ---- modules ---- */

static bool parse_module(Parser *p) {
  Map functions = {0};
  if (!parse_head(p)) return false;
  while (p->token.kind != TOKEN_END) {
    bool fine = parser_take_word(p, "file")       ? parse_source_file(p)
                : parser_take_word(p, "dim")      ? parse_dim_declaration(p)
                : parser_take_word(p, "param")    ? parse_tensor(p, TENSOR_PARAM)
                : parser_take_word(p, "state")    ? parse_tensor(p, TENSOR_STATE)
                : parser_take_word(p, "func")     ? parse_function(p, &functions)
                : parser_take_word(p, "schedule") ? parse_schedule(p)
                : parser_take_word(p, "run")
                    ? parse_run(p)
                    : parser_expected(p, "dim, param, state, schedule, run or func");
    if (!fine) return false;
  }
  return true;
}

Module *module_parse(Arena *arena, Diagnostics *diagnostics, int32_t file) {
  return module_parse_checked(arena, diagnostics, file, NULL);
}

Module *module_parse_checked(Arena *arena, Diagnostics *diagnostics, int32_t file,
                             ModuleCheck *check) {
  const Source *source = sources_get(diagnostics_sources(diagnostics), file);
  Parser *p = ARENA_NEW(arena, Parser);
  p->arena = arena;
  p->diagnostics = diagnostics;
  p->module = module_new(arena, "");
  p->lexer = (Lexer){p->module->names, source->bytes, 0, (uint32_t)source->length, file};
  parser_advance(p);
  parser_advance(p);
  if (!parse_module(p)) return NULL;
  const Op *where = NULL;
  const char *fault = module_verify(arena, p->module, &where);
  if (!fault && check) fault = check(arena, p->module, &where);
  if (!fault) return p->module;
  uintptr_t span = where ? (uintptr_t)map_get(&p->spans, map_key(where)) : 0;
  Diagnostic *d = diag_report(diagnostics, E0803,
                              (Span){file, (uint32_t)(span >> 32), (uint32_t)span}, "%s", fault);
  if (where && !span) {
    Text text = text_new(arena);
    op_print(&text, where, (PrintOptions){.locations = false});
    diag_label(d, "%s", text_get(&text));
  }
  return NULL;
}
