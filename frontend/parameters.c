/* parameters.c - declarations of parameters and states: their names, types, and what declares them
 * again. */
#include "frontend/elaborator.h"

const char *name_from(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Object *from = evaluate(e, frame, stmt->from);
  if (is_error(from)) return NULL;
  bool fine = from->kind == OBJECT_STRING && *from->text;
  for (const char *c = fine ? from->text : ""; *c; c++)
    if (!(*c == '_' || *c == '.' || (*c >= '0' && *c <= '9') ||
          ((*c | 32) >= 'a' && (*c | 32) <= 'z')))
      fine = false;
  if (fine) return from->text;
  Diagnostic *d =
      report(e, frame, E0223, stmt->from->span,
             "a name is a text of letters, digits, '_' and dots, not %s", object_text(e, from));
  diag_help(d, "for other names in a file: --rename");
  return NULL;
}

static const char *parameter_path(Elaborator *e, Frame *frame, const Stmt *stmt) {
  return stmt->from ? name_from(e, frame, stmt) : stmt->name.name;
}

/* Sizes that the file fixes are numbers in a parameter's type. */
static bool parameter_type(Elaborator *e, Frame *frame, const Stmt *stmt, Type *type) {
  if (!resolve_type(e, frame, stmt->type, type)) return false;
  for (int i = 0; i < type->rank; i++)
    if (!dim_is_constant(type->dims[i]) && dim_min(type->dims[i]) == dim_max(type->dims[i]))
      type->dims[i] = dim_constant(e->module->dims, dim_min(type->dims[i]));
  if (stmt->kind == STMT_STATE || type_is_static(type)) return true;
  Diagnostic *d =
      report(e, frame, E0232, stmt->type->span,
             "the size of parameter '%s' is not known while compiling", stmt->name.name);
  diag_label(d, "%s", type_text(e->arena, type));
  diag_help(d, "a dim that is chosen at every call cannot be the size of a parameter");
  return false;
}

static NamedParameter *known_parameter(Elaborator *e, Frame *frame, const Stmt *stmt,
                                       NamedParameter *known, const Type *type) {
  const Instance *owner = frame_instance(frame);
  if (known->declared == stmt && known->owner == owner && (!type || type_equal(&known->type, type)))
    return known;
  Diagnostic *d;
  if (known->declared == stmt && known->owner == owner) {
    d = report(e, frame, E0225, stmt->span, "parameter '%s' has another size than at its first use",
               known->path);
    diag_label(d, "%s, first %s", type_text(e->arena, type), type_text(e->arena, &known->type));
  } else {
    d = report(e, frame, E0119, stmt->span, "two parameters are named '%s'", known->path);
    diag_note(d, known->declared->span, "the other one is declared here");
  }
  return NULL;
}

static bool may_declare(Elaborator *e, const Frame *frame, const Stmt *stmt) {
  if (frame->kind == FRAME_FUNCTION || frame->kind == FRAME_VALUE) {
    Diagnostic *d = report(e, frame, E0114, stmt->span, "a function owns no parameters");
    diag_help(d, "make '%s' a layer", frame->definition ? frame->definition->name.name : "it");
    return false;
  }
  if (frame->kind == FRAME_OPTIMIZER && stmt->kind == STMT_PARAM) {
    Diagnostic *d = report(e, frame, E0114, stmt->span, "an optimizer owns no parameters");
    diag_help(d, "what it keeps of each parameter is a state: state %s = ..", stmt->name.name);
    return false;
  }
  if (stmt->type || (stmt->kind == STMT_STATE && stmt->init)) return true;
  Diagnostic *d = report(e, frame, E0232, stmt->span, "'%s %s' needs a type",
                         stmt->kind == STMT_PARAM ? "param" : "state", stmt->name.name);
  diag_help(d, "%s: f32[3] = ..", stmt->name.name);
  return false;
}

static const char *tensor_path(Elaborator *e, Frame *frame, const Stmt *stmt) {
  const char *path = parameter_path(e, frame, stmt);
  if (path && frame->kind == FRAME_OPTIMIZER)
    path = arena_format(e->arena, "%s.%s", frame->subject->path, path);
  return path ? full_path(e, frame, path) : NULL;
}

NamedParameter *new_parameter(Elaborator *e, Frame *frame, const Stmt *stmt) {
  Type type;
  if (!may_declare(e, frame, stmt)) return NULL;
  const char *path = tensor_path(e, frame, stmt);
  if (!path || (stmt->type && !parameter_type(e, frame, stmt, &type)) ||
      !path_is_free(e, frame, path, stmt->span))
    return NULL;
  NamedParameter *parameter = pointer_get(&e->parameters, path);
  if (parameter) {
    parameter = known_parameter(e, frame, stmt, parameter, stmt->type ? &type : NULL);
    if (parameter) pointer_set(&frame->named, path, parameter);
    return parameter;
  }
  parameter = ARENA_NEW(e->arena, NamedParameter);
  *parameter = (NamedParameter){.kind = stmt->kind == STMT_PARAM ? TENSOR_PARAM : TENSOR_STATE,
                                .path = path,
                                .declared = stmt,
                                .owner = frame_instance(frame),
                                .at = location_at(e, frame, stmt->span),
                                .frame = frame};
  if (stmt->type)
    parameter->type = type;
  else if (!initialise_type(e, parameter))
    return NULL;
  pointer_set(&frame->named, path, parameter);
  pointer_set(&e->parameters, path, parameter);
  if (frame_instance(frame)) {
    Object *object = object_new(e, OBJECT_PARAMETER);
    object->parameter = parameter;
    vec_push(e->arena, &frame_instance(frame)->order, object);
  }
  return parameter;
}

void declare_parameter(Elaborator *e, Frame *frame, const Stmt *stmt) {
  NamedParameter *parameter = new_parameter(e, frame, stmt);
  if (!parameter) {
    put_path(e, &frame->scope->names, stmt->name.name, error_object);
    return;
  }
  Object *object = object_new(e, OBJECT_PARAMETER);
  object->parameter = parameter;
  if (frame->kind == FRAME_LAYER) put_path(e, frame->instance->members, stmt->name.name, object);
  put_path(e, &frame->scope->names, stmt->name.name, object);
  if (e->builder) {
    Site site = {e, frame, stmt->span, NULL, 0, NULL};
    read_parameter(&site, parameter);
  }
}
