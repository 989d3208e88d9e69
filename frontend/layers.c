/* layers.c - instances: made, named by what binds them, applied, and what they have. */
#include "frontend/elaborator.h"

#include <ctype.h>
#include <string.h>

Instance *instance_of(const Object *object) {
  Instance *instance = object->instance;
  while (instance->same) instance = instance->same;
  return instance;
}

static const char *layer_name(const Instance *instance) {
  return instance->layer->definition->name.name;
}

/* ---- making ---- */

static const char *loop_suffix(Elaborator *e, const Frame *frame) {
  Text text = text_new(e->arena);
  for (size_t i = 0; i < frame->loops.count; i++)
    text_format(&text, ".%lld", (long long)frame->loops.items[i]);
  return text_get(&text);
}

static PointerTable *pointer_table_new(Elaborator *e) {
  PointerTable *map = ARENA_NEW(e->arena, PointerTable);
  map->arena = e->arena;
  return map;
}

static bool add_value(Elaborator *e, Text *text, const Object *value, int depth) {
  bool plain = is_number(value) || value->kind == OBJECT_BOOL || value->kind == OBJECT_STRING ||
               value->kind == OBJECT_DIM;
  if (plain) text_string(text, object_text(e, value));
  if (plain || value->kind != OBJECT_LIST || depth > 2 || value->count > 4) return plain;
  text_char(text, '[');
  for (size_t i = 0; i < value->count; i++) {
    if (i) text_string(text, ", ");
    if (!add_value(e, text, value->items[i], depth + 1)) return false;
  }
  text_char(text, ']');
  return true;
}

/* "Conv2d(64, kernel=3)": as written, names of numbers replaced by the numbers. */
static const char *call_text(Elaborator *e, const Object *layer, const Actual *arguments,
                             size_t count) {
  Text text = text_new(e->arena);
  text_format(&text, "%s(", layer->definition->name.name);
  for (size_t i = 0; i < count; i++) {
    Text value = text_new(e->arena);
    bool known = add_value(e, &value, arguments[i].value, 0);
    text_format(&text, "%s%s%s%s", i ? ", " : "", arguments[i].name ? arguments[i].name : "",
                arguments[i].name ? "=" : "",
                known ? text_get(&value) : source_text(e, arguments[i].span, 40));
  }
  text_char(&text, ')');
  return text_get(&text);
}

Object *make_instance(const CallSite *site, const Object *layer, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  const Definition *definition = layer->definition;
  Frame *frame = frame_new(e, FRAME_VALUE, definition, layer->home, site);
  Instance *instance = ARENA_NEW(e->arena, Instance);
  instance->hyper = ARENA_ARRAY(e->arena, definition->hyper.count + 1, Object *);
  if (!bind_parameters(site, frame, &definition->hyper, definition->name.name, arguments, count,
                       instance->hyper))
    return error_object;
  instance->layer = layer;
  instance->made_by = site->expr;
  instance->made_in = site->frame;
  instance->suffix = loop_suffix(e, site->frame);
  instance->call = call_text(e, layer, arguments, count);
  instance->dims = pointer_table_new(e);
  instance->members = pointer_table_new(e);
  Object *object = object_new(e, OBJECT_INSTANCE);
  object->instance = instance;
  return object;
}

/* ---- paths ---- */

Instance *frame_instance(const Frame *frame) {
  return frame->kind == FRAME_LAYER || frame->kind == FRAME_OPTIMIZER ? frame->instance : NULL;
}

const char *full_path(Elaborator *e, const Frame *frame, const char *path) {
  const Instance *instance = frame_instance(frame);
  if (!instance) return intern(e->interner, path);
  return intern(e->interner, arena_format(e->arena, "%s.%s", instance->path, path));
}

/* An optimizer that is made in an entry stands under the entry's name: what two entries keep of
 * one network does not mix. */
static const char *instance_path(Elaborator *e, const Frame *frame, const Instance *instance,
                                 const char *path) {
  if (frame->kind == FRAME_ENTRY && is_optimizer(instance))
    path = arena_format(e->arena, "%s.%s", frame->definition->name.name, path);
  return full_path(e, frame, path);
}

static bool same_hyper(const Instance *a, const Instance *b) {
  if (a->layer->definition != b->layer->definition) return false;
  for (size_t i = 0; i < a->layer->definition->hyper.count; i++)
    if (!object_equal(a->hyper[i], b->hyper[i]) &&
        !(is_optimizer(a) && is_tensor(a->hyper[i]) && is_tensor(b->hyper[i])))
      return false;
  return true;
}

static const void *owner_of(const Frame *frame) {
  return frame->kind == FRAME_FILE ? NULL : (const void *)frame->definition;
}

bool path_is_free(Elaborator *e, Frame *frame, const char *path, Span span) {
  if (!pointer_get(&frame->named, path)) return true;
  Diagnostic *d = report(e, frame, E0112, span,
                         "'%s' is already the name of another instance or parameter", path);
  diag_help(d, frame->loops.count
                   ? "a path is one instance; in a loop make a list, [Layer() for i in 0..n], or "
                     "give each a name: one = Layer() from \"layer\" + str(i)"
                   : "a path is one instance or one parameter: give the second another name");
  return false;
}

static bool assign_path(Elaborator *e, Frame *frame, const char *path, Instance *instance,
                        Span span) {
  if (!path_is_free(e, frame, path, span)) return false;
  pointer_set(&frame->named, path, instance);
  Instance *known = pointer_get(&e->paths, path);
  if (!known) {
    instance->path = path;
    instance->owner = owner_of(frame);
    pointer_set(&e->paths, path, instance);
    if (frame_instance(frame)) {
      Object *object = object_new(e, OBJECT_INSTANCE);
      object->instance = instance;
      vec_push(e->arena, &frame_instance(frame)->order, object);
    }
    return true;
  }
  if (known->owner != owner_of(frame)) {
    Diagnostic *d =
        report(e, frame, E0112, span, "'%s' is already the name of another instance", path);
    diag_note(d, known->made_by->span, "the other one is made here");
    diag_help(d, "names of entries share one space; make it at the top level to share it");
    return false;
  }
  if (!same_hyper(known, instance)) {
    Diagnostic *d =
        report(e, frame, E0116, span, "'%s' is made again with other hyperparameters", path);
    diag_label(d, "%s, first %s", instance->call, known->call);
    return false;
  }
  instance->same = known;
  return true;
}

static void name_object(Elaborator *e, Frame *frame, const char *path, Object *object, Span span,
                        int depth) {
  if (e->stopped || depth > MOST_CALLS) return;
  if (object->kind == OBJECT_INSTANCE) {
    Instance *instance = instance_of(object);
    if (!instance->path &&
        !assign_path(e, frame, instance_path(e, frame, instance, path), instance, span))
      instance->is_broken = true;
  } else if (object->kind == OBJECT_LIST) {
    for (size_t i = 0; i < object->count; i++)
      if (object->items[i]->kind == OBJECT_INSTANCE || object->items[i]->kind == OBJECT_LIST)
        name_object(e, frame, arena_format(e->arena, "%s.%zu", path, i), object->items[i], span,
                    depth + 1);
  }
}

void name_instances(Elaborator *e, Frame *frame, const char *path, Object *object, Span span) {
  if (frame->kind == FRAME_FUNCTION || frame->kind == FRAME_VALUE) return;
  name_object(e, frame, path, object, span, 0);
}

const Instance *named_otherwise(Elaborator *e, const Frame *frame, const char *path,
                                const Object *object) {
  const Instance *found = NULL;
  if (object->kind == OBJECT_INSTANCE) {
    const Instance *instance = instance_of(object);
    bool same =
        !instance->path || strcmp(instance->path, instance_path(e, frame, instance, path)) == 0;
    return same ? NULL : instance;
  }
  for (size_t i = 0; object->kind == OBJECT_LIST && i < object->count; i++) {
    found = named_otherwise(e, frame, arena_format(e->arena, "%s.%zu", path, i), object->items[i]);
    if (!found) return NULL;
  }
  return found;
}

/* ---- names that are paths: a.b.c = .. ---- */

void put_path(Elaborator *e, PointerTable *root, const char *path, Object *object) {
  const char *dot;
  while ((dot = strchr(path, '.'))) {
    const char *word = intern_bytes(e->interner, path, (size_t)(dot - path));
    Object *under = pointer_get(root, word);
    if (!under || under->kind != OBJECT_PATH) {
      under = object_new(e, OBJECT_PATH);
      under->members = pointer_table_new(e);
      pointer_set(root, word, under);
    }
    root = under->members;
    path = dot + 1;
  }
  pointer_set(root, intern(e->interner, path), object);
}

static bool holds_instance(const Object *object, int depth) {
  if (object->kind == OBJECT_INSTANCE || object->kind == OBJECT_PATH ||
      object->kind == OBJECT_PARAMETER)
    return true;
  if (object->kind != OBJECT_LIST || depth > 8) return false;
  for (size_t i = 0; i < object->count; i++)
    if (holds_instance(object->items[i], depth + 1)) return true;
  return false;
}

void bind_path(Elaborator *e, Frame *frame, const char *path, Object *object, Span span) {
  name_instances(e, frame, path, object, span);
  put_path(e, &frame->scope->names, path, object);
  if (frame->kind == FRAME_LAYER && holds_instance(object, 0))
    put_path(e, frame->instance->members, path, object);
}

/* ---- applying ---- */

bool name_unnamed(const CallSite *site, Instance *instance) {
  Elaborator *e = site->e;
  Frame *frame = site->frame;
  const char *name = layer_name(instance);
  if (instance->made_in == frame && frame->kind == FRAME_FUNCTION) {
    Diagnostic *d =
        report(e, frame, E0114, site->span, "'%s' is made and applied in a function", name);
    if (is_optimizer(instance))
      diag_help(d, "a function owns no states; make it in the entry and pass it on");
    else
      diag_help(d, "a function owns no parameters; make '%s' a layer",
                frame->definition->name.name);
    return false;
  }
  const char *path = instance->made_in == frame ? unnamed_name(e, frame, instance) : NULL;
  if (path)
    return assign_path(e, frame, instance_path(e, frame, instance, path), instance, site->span);
  Diagnostic *d = report(e, frame, E0115, site->span, "this instance of '%s' has no name", name);
  if (is_optimizer(instance))
    diag_help(d, "bind it in the entry or at the top level: opt = %s", instance->call);
  else
    diag_help(d, "bind it first: f = %s, then x |> f", instance->call);
  return false;
}

static Frame *layer_frame(const CallSite *site, Instance *instance) {
  Elaborator *e = site->e;
  const Definition *definition = instance->layer->definition;
  Frame *body = frame_new(e, FRAME_LAYER, definition, instance->layer->home, site);
  body->instance = instance;
  body->layer = intern(e->module->names, instance->path);
  for (size_t i = 0; i < definition->hyper.count; i++)
    pointer_set(&body->scope->names, definition->hyper.items[i].name.name, instance->hyper[i]);
  for (size_t i = 0; i < instance->dims->entries.count; i++) {
    const PointerEntry *entry = &instance->dims->entries.items[i];
    pointer_set(&body->scope->names, entry->key, entry->value);
  }
  return body;
}

/* Dims that parameters use hold from the first application on. */
static void keep_dims(Elaborator *e, Instance *instance, const Frame *body) {
  const PointerTable *used = parameter_dims(e, instance->layer->definition);
  for (size_t i = 0; i < used->entries.count; i++) {
    const char *name = used->entries.items[i].key;
    Object *value = pointer_get(&body->scope->names, name);
    bool is_size = value && (value->kind == OBJECT_INTEGER || value->kind == OBJECT_DIM);
    if (is_size && !pointer_get(instance->dims, name)) pointer_set(instance->dims, name, value);
  }
}

Object *apply_instance(const CallSite *site, Object *object, Actual *arguments, size_t count) {
  Elaborator *e = site->e;
  Instance *instance = instance_of(object);
  if (instance->is_broken) return error_object;
  if (!instance->path && !name_unnamed(site, instance)) return error_object;
  instance = instance_of(object);
  const Definition *definition = instance->layer->definition;
  Frame *body = layer_frame(site, instance);
  Object **values = ARENA_ARRAY(e->arena, definition->parameters.count + 1, Object *);
  if (!bind_parameters(site, body, &definition->parameters, definition->name.name, arguments, count,
                       values))
    return instance->has_failed = true, error_object;
  if (!instance->is_applied) keep_dims(e, instance, body);
  instance->is_applied = true;
  return run_body(e, body);
}

/* ---- what an instance has ---- */

static void add_type_names(const Expr *expr, PointerTable *map) {
  if (!expr) return;
  if (expr->kind == EXPR_NAME) pointer_set(map, expr->name, map);
  for (size_t i = 0; i < expr->items.count; i++) add_type_names(expr->items.items[i], map);
}

static bool uses_any(const Expr *expr, const PointerTable *names) {
  if (!expr) return false;
  if (expr->kind == EXPR_NAME && pointer_get(names, expr->name)) return true;
  if (uses_any(expr->left, names) || uses_any(expr->right, names) || uses_any(expr->third, names))
    return true;
  for (size_t i = 0; i < expr->items.count; i++)
    if (uses_any(expr->items.items[i], names)) return true;
  for (size_t i = 0; i < expr->arguments.count; i++)
    if (uses_any(expr->arguments.items[i].value, names)) return true;
  return false;
}

/* Parameters whose types need no input are there before the first application. */
static void declare_without_input(Elaborator *e, Frame *frame, Instance *instance, Span span) {
  const Definition *definition = instance->layer->definition;
  PointerTable *names = pointer_table_new(e);
  for (size_t i = 0; i < definition->parameters.count; i++) {
    const Expr *type = definition->parameters.items[i].type;
    for (size_t k = 0; type && k < type->items.count; k++)
      add_type_names(type->items.items[k], names);
    pointer_set(names, definition->parameters.items[i].name.name, names);
  }
  CallSite site = {e, frame, NULL, span, false};
  Frame *body = layer_frame(&site, instance);
  for (size_t i = 0; i < definition->body.count; i++) {
    const Stmt *stmt = definition->body.items[i];
    if ((stmt->kind != STMT_PARAM && stmt->kind != STMT_STATE) || uses_any(stmt->type, names))
      continue;
    NamedParameter *parameter = new_parameter(e, body, stmt);
    if (!parameter) continue;
    Object *object = object_new(e, OBJECT_PARAMETER);
    object->parameter = parameter;
    put_path(e, instance->members, stmt->name.name, object);
  }
}

static bool makes_layers(const Expr *expr) {
  if (!expr) return false;
  if (expr->kind == EXPR_CALL && expr->left->kind == EXPR_NAME && isupper(*expr->left->name))
    return true;
  if (makes_layers(expr->left) || makes_layers(expr->right) || makes_layers(expr->third))
    return true;
  for (size_t i = 0; i < expr->items.count; i++)
    if (makes_layers(expr->items.items[i])) return true;
  for (size_t i = 0; i < expr->arguments.count; i++)
    if (makes_layers(expr->arguments.items[i].value)) return true;
  return false;
}

/* Whether a body has, or may have, tensors that declare_without_input leaves out. */
static bool has_more(const StmtList *body, const Instance *instance, bool inner) {
  for (size_t i = 0; i < body->count; i++) {
    const Stmt *stmt = body->items[i];
    if ((stmt->kind == STMT_PARAM || stmt->kind == STMT_STATE) &&
        (inner || !pointer_get(instance->members, stmt->path.items[0].name)))
      return true;
    for (size_t k = 0; k < stmt->values.count; k++)
      if (makes_layers(stmt->values.items[k])) return true;
    if (has_more(&stmt->body, instance, true) || has_more(&stmt->otherwise, instance, true))
      return true;
  }
  return false;
}

static bool make_ready(Elaborator *e, Frame *frame, Instance *instance, Span span) {
  if (is_optimizer(instance)) return true;
  if (instance->is_applied) return true;
  if (instance->is_broken) return false;
  if (!instance->path) {
    report(e, frame, E0115, span, "an instance without a name has no parameters");
    return false;
  }
  declare_without_input(e, frame, instance, span);
  return true;
}

Object *instance_member(Elaborator *e, Frame *frame, Instance *instance, const char *name,
                        Span span) {
  Object *found = pointer_get(instance->members, name);
  if (found) return found;
  if (!make_ready(e, frame, instance, span)) return error_object;
  found = pointer_get(instance->members, name);
  if (found) return found;
  Diagnostic *d;
  if (!instance->is_applied) {
    if (instance->has_failed) return error_object;
    d = report(e, frame, E0113, span, "'%s' is not known before '%s' is applied", name,
               instance->path);
    diag_help(d, "sizes of parameters come from the input: apply the layer first");
    return error_object;
  }
  d = report(e, frame, E0111, span, "'%s' has no '%s'", layer_name(instance), name);
  const char *near = nearest_in_table(name, instance->members);
  if (near) diag_help(d, "did you mean '%s'?", near);
  return error_object;
}

static void add_once(Elaborator *e, Object *list, Object *object) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i]->parameter == object->parameter) return;
  list->items =
      arena_grow(e->arena, list->items, list->count, list->count + 1, sizeof *list->items);
  list->items[list->count++] = object;
}

bool collect_tensors(Elaborator *e, Frame *frame, Object *object, TensorKind kind, Object *list,
                     Span span) {
  if (!take_step(e, frame, span, 1 + (int64_t)list->count)) return false;
  switch (object->kind) {
  case OBJECT_ERROR:
    return false;
  case OBJECT_INSTANCE: {
    Instance *instance = instance_of(object);
    if (!make_ready(e, frame, instance, span)) return false;
    if (!is_optimizer(instance) && !instance->is_applied &&
        has_more(&instance->layer->definition->body, instance, false)) {
      if (instance->has_failed) return false;
      Diagnostic *d =
          report(e, frame, E0113, span, "the %s of '%s' are not known before it is applied",
                 kind == TENSOR_PARAM ? "parameters" : "states", instance->path);
      diag_help(d, "sizes come from the input: apply the layer first");
      return false;
    }
    for (size_t i = 0; i < instance->order.count; i++)
      if (!collect_tensors(e, frame, instance->order.items[i], kind, list, span)) return false;
    return true;
  }
  case OBJECT_LIST:
    for (size_t i = 0; i < object->count; i++)
      if (!collect_tensors(e, frame, object->items[i], kind, list, span)) return false;
    return true;
  case OBJECT_PATH:
    for (size_t i = 0; i < object->members->entries.count; i++)
      if (!collect_tensors(e, frame, object->members->entries.items[i].value, kind, list, span))
        return false;
    return true;
  case OBJECT_PARAMETER:
  case OBJECT_TENSOR:
    if (object->parameter && object->parameter->kind == kind) {
      Object *parameter = object_new(e, OBJECT_PARAMETER);
      parameter->parameter = object->parameter;
      add_once(e, list, parameter);
    }
    return true;
  default:
    return true;
  }
}
