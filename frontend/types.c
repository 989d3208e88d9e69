/* types.c - types in headers and bodies: names in them bind or are checked. */
#include "frontend/elaborator.h"

#include <string.h>

/* ---- element types ---- */

static Element class_element(const Frame *frame, bool is_float) {
  for (const Frame *f = frame; f; f = f->lexical) {
    if (is_float && f->has_float) return f->float_element;
    if (!is_float && f->has_int) return f->int_element;
  }
  return is_float ? ELEMENT_f32 : ELEMENT_i64;
}

/* `float` and `int` stand for the element type that the header's arguments have. */
bool element_word(const Frame *frame, const char *name, Element *element, bool *is_class) {
  bool is_float = strcmp(name, "float") == 0;
  *is_class = is_float || strcmp(name, "int") == 0;
  if (*is_class) {
    *element = class_element(frame, is_float);
    return true;
  }
  return element_find(name, element);
}

static Object *no_element(Elaborator *e, const Frame *frame, const Expr *expr, const char *name) {
  Diagnostic *d = report(e, frame, E0101, expr->span, "no element type is named '%s'", name);
  const char *names[ELEMENTS + 2] = {"float", "int"};
  for (int i = 0; i < ELEMENTS; i++) names[i + 2] = element_infos[i].name;
  const char *near = nearest_name(name, names, ELEMENTS + 2);
  diag_help(d, "%s%s%s", near ? "did you mean '" : "f32, f64, f16, bf16, i8, u8, i32, i64, bool",
            near ? near : "", near ? "'?" : "");
  return error_object;
}

/* ---- types whose names are all known: in bodies and results ---- */

static bool add_dim(Elaborator *e, const Frame *frame, Type *type, const Dim *dim, Span span) {
  if (type->rank == MOST_AXES) {
    report(e, frame, E0611, span, "a tensor has at most %d axes", MOST_AXES);
    return false;
  }
  type->dims[type->rank++] = dim;
  return true;
}

static bool add_ellipsis(Elaborator *e, const Frame *frame, Type *type, Span span) {
  const Frame *f = frame;
  while (f && !f->has_ellipsis) f = f->lexical;
  if (!f) {
    report(e, frame, E0224, span,
           "'...' stands for the dims of the header's '...', and there are none");
    return false;
  }
  for (int i = 0; i < f->ellipsis_count; i++)
    if (!add_dim(e, frame, type, f->ellipsis[i], span)) return false;
  return true;
}

bool resolve_type(Elaborator *e, Frame *frame, const Expr *expr, Type *type) {
  const Expr *name = expr->kind == EXPR_INDEX ? expr->left : expr;
  Element element;
  bool is_class;
  if (name->kind != EXPR_NAME) {
    report(e, frame, E0223, expr->span, "a type is wanted here, as f32[N, 3]");
    return false;
  }
  if (!element_word(frame, name->name, &element, &is_class)) {
    no_element(e, frame, name, name->name);
    return false;
  }
  *type = type_scalar(element);
  for (size_t i = 0; expr->kind == EXPR_INDEX && i < expr->items.count; i++) {
    const Expr *item = expr->items.items[i];
    if (item->kind == EXPR_ELLIPSIS) {
      if (!add_ellipsis(e, frame, type, item->span)) return false;
      continue;
    }
    Object *value = evaluate(e, frame, item);
    if (is_error(value)) return false;
    const Dim *dim = object_to_dim(e, value);
    if (!dim) {
      report(e, frame, E0223, item->span, "a size is a whole number, not %s",
             object_text(e, value));
      return false;
    }
    if (dim_max(dim) < 1 && !(dim_is(dim, 0))) {
      report(e, frame, E0212, item->span, "a size of %s", dim_text(e, dim));
      return false;
    }
    if (!add_dim(e, frame, type, dim, item->span)) return false;
  }
  if (type_bytes_at_bound(type) < 0) {
    report(e, frame, E0610, expr->span, "a tensor of more than 2^47 bytes: %s",
           type_text(e->arena, type));
    return false;
  }
  return true;
}

/* ---- names that the params and states of a layer use ---- */

static void add_names(const Expr *expr, PointerTable *map) {
  if (!expr) return;
  if (expr->kind == EXPR_NAME) pointer_set(map, expr->name, map);
  add_names(expr->left, map);
  add_names(expr->right, map);
  add_names(expr->third, map);
  for (size_t i = 0; i < expr->items.count; i++) add_names(expr->items.items[i], map);
  for (size_t i = 0; i < expr->arguments.count; i++) add_names(expr->arguments.items[i].value, map);
}

static void add_parameter_names(const StmtList *list, PointerTable *map) {
  for (size_t i = 0; i < list->count; i++) {
    const Stmt *stmt = list->items[i];
    if (stmt->kind == STMT_PARAM) add_names(stmt->type, map);
    add_parameter_names(&stmt->body, map);
    add_parameter_names(&stmt->otherwise, map);
  }
}

const PointerTable *parameter_dims(Elaborator *e, const Definition *definition) {
  PointerTable *known = pointer_get(&e->header_names, definition);
  if (known) return known;
  known = ARENA_NEW(e->arena, PointerTable);
  known->arena = e->arena;
  add_parameter_names(&definition->body, known);
  pointer_set(&e->header_names, definition, known);
  return known;
}

/* ---- arguments ---- */

typedef struct {
  Elaborator *e;
  Frame *body;
  const CallSite *site;
  const Parameter *parameter;
  const char *callee;
  Span span; /* of the argument */
} Binding;

static Object *wrong(const Binding *b, const char *wanted, const Object *found) {
  Elaborator *e = b->e;
  Diagnostic *d = report(e, b->site->frame, E0223, b->span, "'%s' of '%s' is %s, not %s",
                         b->parameter->name.name, b->callee, wanted, object_text(e, found));
  if (is_tensor(found) && b->body->kind == FRAME_FUNCTION && !b->body->lexical)
    diag_help(d, "if '%s' returns a layer, bind it first: f = %s(..), then x |> f", b->callee,
              b->callee);
  else if (is_tensor(found) && b->body->definition &&
           b->body->definition->kind == DEFINITION_OPTIMIZER)
    diag_help(d, "a hyperparameter that a call gives has a tensor's type: %s: f32",
              b->parameter->name.name);
  else if (strcmp(wanted, "a type") == 0)
    diag_help(d, "such as %s(f32[2, 3])", b->callee);
  return error_object;
}

bool is_type_word(const char *name) {
  static const char *const words[] = {"int", "float", "bool",  "str",      "type",
                                      "dim", "fn",    "layer", "optimizer"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(name, words[i]) == 0) return true;
  return false;
}

static Object *bind_word(const Binding *b, const char *word, Object *value) {
  Elaborator *e = b->e;
  if (strcmp(word, "int") == 0 || strcmp(word, "dim") == 0)
    return object_to_dim(e, value) ? value : wrong(b, "a whole number", value);
  if (strcmp(word, "float") == 0) {
    if (value->kind == OBJECT_INTEGER) return object_real(e, (double)value->integer);
    return value->kind == OBJECT_REAL ? value : wrong(b, "a number", value);
  }
  if (strcmp(word, "bool") == 0)
    return value->kind == OBJECT_BOOL ? value : wrong(b, "true or false", value);
  if (strcmp(word, "str") == 0)
    return value->kind == OBJECT_STRING ? value : wrong(b, "a text", value);
  if (strcmp(word, "type") == 0) {
    if (value->kind == OBJECT_TYPE) return value;
    if (is_tensor(value)) return object_type(e, *object_tensor_type(value), false);
    return wrong(b, "a type", value);
  }
  if (strcmp(word, "fn") == 0) return is_callable(value) ? value : wrong(b, "a function", value);
  if (strcmp(word, "layer") == 0)
    return value->kind == OBJECT_LAYER ? value : wrong(b, "a layer", value);
  bool is_one = value->kind == OBJECT_OPTIMIZER ||
                (value->kind == OBJECT_INSTANCE && is_optimizer(value->instance));
  return is_one ? value : wrong(b, "an optimizer", value);
}

static Object *bind_kind(const Binding *b, const Expr *type, Object *value);

/* [int, int]: exactly two, or one for both; [int]: any number, or one. */
static Object *bind_list(const Binding *b, const Expr *type, Object *value) {
  Elaborator *e = b->e;
  size_t wanted = type->items.count;
  if (value->kind != OBJECT_LIST) {
    Object *one = bind_kind(b, type->items.items[0], value);
    if (is_error(one)) return one;
    Object *list = object_list(e, wanted);
    for (size_t i = 0; i < wanted; i++) list->items[i] = one;
    return list;
  }
  if (wanted > 1 && value->count != wanted)
    return wrong(b, arena_format(e->arena, "a list of %zu", wanted), value);
  Object *list = object_list(e, value->count);
  for (size_t i = 0; i < value->count; i++) {
    list->items[i] = bind_kind(b, type->items.items[wanted > 1 ? i : 0], value->items[i]);
    if (is_error(list->items[i])) return error_object;
  }
  return list;
}

static const char *header_type_text(Elaborator *e, const Expr *type) {
  return source_text(e, type->span, 80);
}

static Object *clash(const Binding *b, const Expr *type, const Type *found, DiagnosticCode code,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
static Object *clash(const Binding *b, const Expr *type, const Type *found, DiagnosticCode code,
                     const char *format, ...) {
  Elaborator *e = b->e;
  va_list args;
  va_start(args, format);
  const char *why = arena_vformat(e->arena, format, args);
  va_end(args);
  Diagnostic *d = report(e, b->site->frame, code, b->span, "'%s' of '%s' does not fit",
                         b->parameter->name.name, b->callee);
  diag_label(d, "%s against %s: %s", type_text(e->arena, found), header_type_text(e, type), why);
  if (!is_standard(e, type->span))
    diag_note(d, b->parameter->span, "'%s' is declared here", b->parameter->name.name);
  return error_object;
}

static bool bind_element(const Binding *b, const Expr *type, const Type *found, Element element,
                         bool is_class, const char *word) {
  Elaborator *e = b->e;
  Frame *body = b->body;
  if (!is_class) {
    if (found->element == element) return true;
    clash(b, type, found, E0201, "%s is not %s", element_infos[found->element].name, word);
    return false;
  }
  bool is_float = strcmp(word, "float") == 0;
  if (is_float ? !element_is_float(found->element) : !element_is_integer(found->element)) {
    clash(b, type, found, E0201, "%s is no %s type", element_infos[found->element].name,
          is_float ? "float" : "integer");
    return false;
  }
  bool *has = is_float ? &body->has_float : &body->has_int;
  Element *bound = is_float ? &body->float_element : &body->int_element;
  if (*has && *bound != found->element) {
    clash(b, type, found, E0201, "another argument is %s", element_infos[*bound].name);
    return false;
  }
  *has = true;
  *bound = found->element;
  (void)e;
  return true;
}

/* Is the name known in the header: an earlier argument, a hyperparameter, a dim that was bound, or
 * a const? */
static Object *known_in_header(const Binding *b, const char *name) {
  Elaborator *e = b->e;
  Object *known = pointer_get(&b->body->scope->names, name);
  if (known) return known;
  const ProgramFile *home = NULL;
  const Declaration *d = program_find(e->program, b->body->home, name, &home);
  if (d && d->kind == DECLARATION_CONST) return declared_object(e, d, home);
  if (d && d->kind == DECLARATION_DIM && b->body->kind == FRAME_ENTRY)
    return look_up_quietly(e, b->body, name, b->span);
  return NULL;
}

static bool bind_dim(const Binding *b, const Expr *type, const Type *found, const Expr *item,
                     const Dim *dim) {
  Elaborator *e = b->e;
  Object *known = NULL;
  if (item->kind == EXPR_NAME && !item->parenthesised) {
    known = known_in_header(b, item->name);
    if (!known) {
      if (b->body->kind == FRAME_ENTRY) {
        look_up(e, b->body, item->name, item->span);
        return false;
      }
      pointer_set(&b->body->scope->names, item->name, object_dim(e, dim));
      return true;
    }
  } else {
    known = evaluate(e, b->body, item);
  }
  if (is_error(known)) return false;
  const Dim *wanted = object_to_dim(e, known);
  if (!wanted) {
    report(e, b->body, E0223, item->span, "a size is a whole number, not %s",
           object_text(e, known));
    return false;
  }
  if (same_dim(e, b->site->frame, b->span, wanted, dim)) return true;
  const char *text = header_type_text(e, item);
  if (item->kind == EXPR_NAME)
    clash(b, type, found, E0225, "%s is %s here, not %s", text, dim_text(e, wanted),
          dim_text(e, dim));
  else
    clash(b, type, found, E0225, "%s is not %s", dim_text(e, dim), dim_text(e, wanted));
  return false;
}

static const char *dims_text(Elaborator *e, const Dim *const *dims, int count) {
  Text text = text_new(e->arena);
  text_string(&text, "[");
  for (int i = 0; i < count; i++) text_format(&text, "%s%s", i ? ", " : "", dim_text(e, dims[i]));
  text_string(&text, "]");
  return text_get(&text);
}

static bool bind_ellipsis(const Binding *b, const Expr *type, const Type *found, int from,
                          int count) {
  Frame *body = b->body;
  if (!body->has_ellipsis) {
    body->has_ellipsis = true;
    body->ellipsis_count = count;
    for (int i = 0; i < count; i++) body->ellipsis[i] = found->dims[from + i];
    return true;
  }
  bool same = body->ellipsis_count == count;
  for (int i = 0; i < count && same; i++)
    same = same_dim(b->e, b->site->frame, b->span, body->ellipsis[i], found->dims[from + i]);
  if (!same)
    clash(b, type, found, E0225, "'...' is %s here, and %s in an argument before it",
          dims_text(b->e, found->dims + from, count),
          dims_text(b->e, body->ellipsis, body->ellipsis_count));
  return same;
}

static bool bind_dims(const Binding *b, const Expr *type, const Type *found) {
  int items = type->kind == EXPR_INDEX ? (int)type->items.count : 0, dots = -1;
  for (int i = 0; i < items; i++)
    if (type->items.items[i]->kind == EXPR_ELLIPSIS) dots = i;
  if (dots < 0 ? found->rank != items : found->rank < items - 1) {
    clash(b, type, found, E0224, "%d ax%s, not %s%d", found->rank, found->rank == 1 ? "is" : "es",
          dots < 0 ? "" : "at least ", dots < 0 ? items : items - 1);
    return false;
  }
  int covered = dots < 0 ? 0 : found->rank - (items - 1);
  for (int i = 0, axis = 0; i < items; i++) {
    if (i == dots) {
      if (!bind_ellipsis(b, type, found, axis, covered)) return false;
      axis += covered;
    } else if (!bind_dim(b, type, found, type->items.items[i], found->dims[axis++])) {
      return false;
    }
  }
  return true;
}

static Object *bind_tensor(const Binding *b, const Expr *type, Object *value) {
  Elaborator *e = b->e;
  const Expr *name = type->kind == EXPR_INDEX ? type->left : type;
  Element element;
  bool is_class;
  /* A number for `lr: f32` stays one: it is known in `init` and at the top level too. */
  if (is_number(value) && b->body->kind == FRAME_VALUE && b->body->definition &&
      b->body->definition->kind == DEFINITION_OPTIMIZER)
    return value;
  if (name->kind != EXPR_NAME) {
    report(e, b->body, E0223, type->span, "a type is wanted here, as f32[N, 3]");
    return error_object;
  }
  if (!element_word(b->body, name->name, &element, &is_class))
    return no_element(e, b->body, name, name->name);
  if (is_class && strcmp(name->name, "float") == 0 && !b->body->has_float) element = ELEMENT_f32;
  if (!is_tensor(value)) {
    if (!is_number(value) && value->kind != OBJECT_BOOL && value->kind != OBJECT_LIST &&
        value->kind != OBJECT_DIM)
      return wrong(b, "a tensor", value);
    Site site = {e, b->site->frame, b->span, NULL, 0, b->callee};
    value = object_tensor(e, to_tensor(&site, value, &element));
    if (is_error(value)) return value;
  }
  const Type *found = object_tensor_type(value);
  if (!bind_element(b, type, found, element, is_class, name->name) || !bind_dims(b, type, found))
    return error_object;
  return value;
}

static Object *bind_kind(const Binding *b, const Expr *type, Object *value) {
  if (type->kind == EXPR_LIST) return bind_list(b, type, value);
  if (type->kind == EXPR_NAME && is_type_word(type->name)) return bind_word(b, type->name, value);
  return bind_tensor(b, type, value);
}

Object *bind_argument(Elaborator *e, Frame *body, const CallSite *site, const Parameter *parameter,
                      const char *callee, Object *value, Span span) {
  if (is_error(value) || !parameter->type) return value;
  if (value->kind == OBJECT_NONE && parameter->init && parameter->init->kind == EXPR_NONE)
    return value;
  Binding binding = {e, body, site, parameter, callee, span};
  return bind_kind(&binding, parameter->type, value);
}

/* ---- results ---- */

static bool check_one(Elaborator *e, Frame *body, const DeclaredResult *declared, Object **value) {
  const Expr *expr = declared->type;
  const char *name = body->definition->name.name;
  if (is_error(*value)) return false;
  if (expr->kind == EXPR_LIST ||
      (expr->kind == EXPR_NAME && is_type_word(expr->name) && !is_tensor(*value)))
    return true;
  Type type;
  if (!resolve_type(e, body, expr, &type)) return false;
  if (!is_tensor(*value)) {
    Site site = {e, body, declared->span, NULL, 0, name};
    *value = object_tensor(e, to_tensor(&site, *value, &type.element));
    if (is_error(*value)) return false;
  }
  const Type *found = object_tensor_type(*value);
  bool fits = found->rank == type.rank && found->element == type.element;
  int axis = -1;
  for (int i = 0; i < type.rank && fits; i++)
    if (!same_dim(e, body, declared->span, type.dims[i], found->dims[i])) {
      fits = false;
      axis = i;
    }
  if (fits) return true;
  Diagnostic *d =
      report(e, body, E0226, declared->span, "'%s' does not return what it declares", name);
  if (axis >= 0)
    diag_label(d, "%s declared, %s returned: %s is not %s", type_text(e->arena, &type),
               type_text(e->arena, found), dim_text(e, type.dims[axis]),
               dim_text(e, found->dims[axis]));
  else
    diag_label(d, "%s declared, %s returned", type_text(e->arena, &type),
               type_text(e->arena, found));
  return false;
}

bool check_result(Elaborator *e, Frame *body, Object **result) {
  const ResultList *results = &body->definition->results;
  if (is_error(*result)) return false;
  if (!results->count) return true;
  if (results->count == 1) return check_one(e, body, &results->items[0], result);
  if ((*result)->kind != OBJECT_LIST || (*result)->count != results->count) {
    report(e, body, E0226, results->span, "'%s' declares %zu results and returns %s",
           body->definition->name.name, results->count, object_text(e, *result));
    return false;
  }
  Object *list = object_list(e, results->count);
  for (size_t i = 0; i < results->count; i++) {
    list->items[i] = (*result)->items[i];
    if (!check_one(e, body, &results->items[i], &list->items[i])) return false;
  }
  *result = list;
  return true;
}
