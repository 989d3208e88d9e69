/* values.c - objects: values known while compiling. */
#include "frontend/elaborator.h"

#include <string.h>

/* ---- maps ---- */

static size_t hash_pointer(const void *key) {
  uint64_t h = (uint64_t)(uintptr_t)key;
  h ^= h >> 29;
  h *= 0x9e3779b97f4a7c15u;
  return (size_t)(h >> 32);
}

static uint32_t *find_slot(const PointerTable *map, const void *key) {
  for (size_t i = hash_pointer(key);; i++) {
    uint32_t *slot = &map->slots[i & (map->slot_count - 1)];
    if (!*slot || map->entries.items[*slot - 1].key == key) return slot;
  }
}

void *pointer_get(const PointerTable *map, const void *key) {
  if (!map->slot_count) return NULL;
  uint32_t slot = *find_slot(map, key);
  return slot ? map->entries.items[slot - 1].value : NULL;
}

void pointer_set(PointerTable *map, const void *key, void *value) {
  if ((map->entries.count + 1) * 2 > map->slot_count) {
    map->slot_count = map->slot_count ? map->slot_count * 2 : 8;
    map->slots = ARENA_ARRAY(map->arena, map->slot_count, uint32_t);
    for (size_t i = 0; i < map->entries.count; i++)
      *find_slot(map, map->entries.items[i].key) = (uint32_t)i + 1;
  }
  uint32_t *slot = find_slot(map, key);
  if (*slot) {
    map->entries.items[*slot - 1].value = value;
    return;
  }
  vec_push(map->arena, &map->entries, ((PointerEntry){key, value}));
  *slot = (uint32_t)map->entries.count;
}

/* ---- making ---- */

static Object the_error = {.kind = OBJECT_ERROR}, the_none = {.kind = OBJECT_NONE};
Object *const error_object = &the_error, *const none_object = &the_none;

Object *object_new(Elaborator *e, ObjectKind kind) {
  Object *object = ARENA_NEW(e->arena, Object);
  object->kind = kind;
  return object;
}

Object *object_integer(Elaborator *e, int64_t value) {
  Object *object = object_new(e, OBJECT_INTEGER);
  object->integer = value;
  return object;
}

Object *object_real(Elaborator *e, double value) {
  Object *object = object_new(e, OBJECT_REAL);
  object->real = value;
  return object;
}

Object *object_bool(Elaborator *e, bool value) {
  Object *object = object_new(e, OBJECT_BOOL);
  object->integer = value;
  return object;
}

Object *object_string(Elaborator *e, const char *text) {
  Object *object = object_new(e, OBJECT_STRING);
  object->text = text;
  return object;
}

Object *object_dim(Elaborator *e, const Dim *dim) {
  if (dim_is_constant(dim)) return object_integer(e, dim_value(dim));
  Object *object = object_new(e, OBJECT_DIM);
  object->dim = dim;
  return object;
}

Object *object_list(Elaborator *e, size_t count) {
  Object *object = object_new(e, OBJECT_LIST);
  object->items = ARENA_ARRAY(e->arena, count, Object *);
  object->count = count;
  return object;
}

Object *object_type(Elaborator *e, Type type, bool is_bare) {
  Object *object = object_new(e, OBJECT_TYPE);
  object->type = arena_copy(e->arena, &type, sizeof type);
  object->is_bare = is_bare;
  return object;
}

Object *object_tensor(Elaborator *e, Value *value) {
  if (!value) return error_object;
  Object *object = object_new(e, OBJECT_TENSOR);
  object->tensor = value;
  return object;
}

/* ---- asking ---- */

const Type *object_tensor_type(const Object *object) {
  return object->kind == OBJECT_TENSOR ? &object->tensor->type : &object->parameter->type;
}

const Dim *object_to_dim(Elaborator *e, const Object *object) {
  if (object->kind == OBJECT_DIM) return object->dim;
  if (object->kind == OBJECT_INTEGER) return dim_constant(e->module->dims, object->integer);
  return NULL;
}

static bool lists_equal(const Object *a, const Object *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++) {
    if (!object_equal(a->items[i], b->items[i])) return false;
    if (a->keys && !object_equal(a->keys[i], b->keys[i])) return false;
  }
  return true;
}

static bool partials_equal(const Object *a, const Object *b) {
  if (a->argument_count != b->argument_count || a->hole != b->hole ||
      !object_equal(a->callee, b->callee))
    return false;
  for (size_t i = 0; i < a->argument_count; i++) {
    if (a->arguments[i].name != b->arguments[i].name) return false;
    if (i != a->hole && !object_equal(a->arguments[i].value, b->arguments[i].value)) return false;
  }
  return true;
}

bool object_equal(const Object *a, const Object *b) {
  if (a == b) return true;
  if (is_tensor(a) && is_tensor(b) && a->parameter && a->parameter == b->parameter) return true;
  if (is_number(a) && is_number(b) && a->kind != b->kind)
    return (a->kind == OBJECT_REAL ? a->real : (double)a->integer) ==
           (b->kind == OBJECT_REAL ? b->real : (double)b->integer);
  if (a->kind != b->kind) return false;
  switch (a->kind) {
  case OBJECT_ERROR:
  case OBJECT_NONE:
    return true;
  case OBJECT_INTEGER:
  case OBJECT_BOOL:
  case OBJECT_NAMESPACE:
    return a->integer == b->integer;
  case OBJECT_REAL:
    return a->real == b->real;
  case OBJECT_STRING:
    return strcmp(a->text, b->text) == 0;
  case OBJECT_DIM:
    return a->dim == b->dim;
  case OBJECT_LIST:
  case OBJECT_MAP:
    return lists_equal(a, b);
  case OBJECT_TYPE:
    return type_equal(a->type, b->type);
  case OBJECT_TENSOR:
    return a->tensor == b->tensor;
  case OBJECT_PARAMETER:
    return false;
  case OBJECT_FUNCTION:
  case OBJECT_LAYER:
  case OBJECT_ENTRY:
  case OBJECT_OPTIMIZER:
    return a->definition == b->definition;
  case OBJECT_BUILTIN:
    return a->builtin == b->builtin;
  case OBJECT_INSTANCE:
    return instance_of(a) == instance_of(b);
  case OBJECT_PARTIAL:
    return partials_equal(a, b);
  case OBJECT_PATH:
    return a->members == b->members;
  }
  return false;
}

const char *dim_text(Elaborator *e, const Dim *dim) {
  Text text = text_new(e->arena);
  dim_print(&text, dim);
  return text_get(&text);
}

static const char *real_text(Elaborator *e, double value) {
  Text text = text_new(e->arena);
  text_double(&text, value);
  return text_get(&text);
}

const char *object_text(Elaborator *e, const Object *o) {
  switch (o->kind) {
  case OBJECT_ERROR:
    return "an error";
  case OBJECT_NONE:
    return "None";
  case OBJECT_INTEGER:
    return arena_format(e->arena, "%lld", (long long)o->integer);
  case OBJECT_REAL:
    return real_text(e, o->real);
  case OBJECT_BOOL:
    return o->integer ? "true" : "false";
  case OBJECT_STRING:
    return arena_format(e->arena, "\"%.60s\"", o->text);
  case OBJECT_DIM:
    return dim_text(e, o->dim);
  case OBJECT_LIST:
    return arena_format(e->arena, "a list of %zu", o->count);
  case OBJECT_MAP:
    return arena_format(e->arena, "a table of %zu", o->count);
  case OBJECT_TYPE:
    return arena_format(e->arena, "the type %s", type_text(e->arena, o->type));
  case OBJECT_TENSOR:
  case OBJECT_PARAMETER:
    return type_text(e->arena, object_tensor_type(o));
  case OBJECT_FUNCTION:
  case OBJECT_LAYER:
  case OBJECT_ENTRY:
  case OBJECT_OPTIMIZER:
    return arena_format(e->arena, "the %s '%s'",
                        o->kind == OBJECT_FUNCTION ? "function"
                                                   : definition_kind_text(o->definition->kind),
                        o->definition->name.name);
  case OBJECT_BUILTIN:
    return arena_format(e->arena, "the function '%s'", o->builtin->name);
  case OBJECT_INSTANCE:
    return arena_format(e->arena, "an instance of '%s'", o->instance->layer->definition->name.name);
  case OBJECT_PARTIAL:
    return "a function of one argument";
  case OBJECT_PATH:
    return "a path of instances";
  case OBJECT_NAMESPACE:
    return o->integer ? "the operators" : "the standard library";
  }
  return "?";
}
