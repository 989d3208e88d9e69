/* The tree as text: a node a line, its parts under it, two blanks deeper.
 *
 *   layer Linear @31:1
 *     hyper out: type @31:14
 *       name int @31:19
 */
#include "frontend/parse.h"

typedef struct {
  const Source *source;
  bool places;
  int depth;
  Text *text;
} Printer;

static void print_expr(Printer *p, const char *role, const Expr *expr);
static void print_stmts(Printer *p, const char *role, const StmtList *list);
static void print_definition(Printer *p, const Definition *definition);

static void begin(Printer *p, const char *role) {
  for (int i = 0; i < p->depth; i++) text_string(p->text, "  ");
  if (role) text_format(p->text, "%s ", role);
}

static void end(Printer *p, Span span) {
  if (p->places) {
    Place place = source_place(p->source, span.from);
    text_format(p->text, " @%d:%d", place.line, place.column);
  }
  text_char(p->text, '\n');
}

static void print_names(Printer *p, const char *role, const IdentList *names) {
  if (!names->count) return;
  begin(p, role);
  for (size_t i = 0; i < names->count; i++)
    text_format(p->text, "%s%s", i ? ", " : "", names->items[i].name);
  end(p, names->items[0].span);
}

static void print_string(Printer *p, const char *string) {
  text_char(p->text, '"');
  for (const char *c = string; *c; c++) {
    switch (*c) {
    case '\n':
      text_string(p->text, "\\n");
      break;
    case '\t':
      text_string(p->text, "\\t");
      break;
    case '"':
    case '\\':
      text_char(p->text, '\\');
      text_char(p->text, *c);
      break;
    default:
      text_char(p->text, *c);
    }
  }
  text_char(p->text, '"');
}

static void print_exprs(Printer *p, const char *role, const ExprList *list) {
  for (size_t i = 0; i < list->count; i++) print_expr(p, role, list->items[i]);
}

static void print_arguments(Printer *p, const ArgumentList *arguments) {
  for (size_t i = 0; i < arguments->count; i++) {
    const Argument *argument = &arguments->items[i];
    const char *role = "argument";
    if (argument->name.name) role = arena_format(p->text->arena, "%s =", argument->name.name);
    print_expr(p, role, argument->value);
  }
}

/* The node's own line, without its place. */
static void print_head(Printer *p, const Expr *expr) {
  Text *text = p->text;
  switch (expr->kind) {
  case EXPR_NAME:
    text_format(text, "name %s", expr->name);
    return;
  case EXPR_INTEGER:
    text_format(text, "integer %lld", (long long)expr->integer);
    return;
  case EXPR_FLOAT:
    text_string(text, "float ");
    text_double(text, expr->number);
    return;
  case EXPR_STRING:
    text_string(text, "string ");
    print_string(p, expr->name);
    return;
  case EXPR_BOOL:
    text_string(text, expr->integer ? "true" : "false");
    return;
  case EXPR_NONE:
    text_string(text, "None");
    return;
  case EXPR_HOLE:
    text_string(text, "_");
    return;
  case EXPR_UNARY:
  case EXPR_BINARY:
    text_string(text, ast_operator_text(expr->op));
    return;
  case EXPR_RANGE:
    text_string(text, "range");
    return;
  case EXPR_CONDITIONAL:
    text_string(text, "conditional");
    return;
  case EXPR_PIPE:
    text_string(text, "pipe");
    return;
  case EXPR_CALL:
    text_string(text, "call");
    return;
  case EXPR_INDEX:
    text_string(text, "index");
    return;
  case EXPR_SLICE:
    text_string(text, "slice");
    return;
  case EXPR_ELLIPSIS:
    text_string(text, "...");
    return;
  case EXPR_FIELD:
    text_format(text, "field %s", expr->name);
    return;
  case EXPR_LIST:
    text_string(text, "list");
    return;
  case EXPR_COMPREHENSION:
    text_string(text, "comprehension");
    return;
  case EXPR_MAP:
    text_string(text, "map");
    return;
  }
}

static void print_expr(Printer *p, const char *role, const Expr *expr) {
  if (!expr) return;
  begin(p, role);
  print_head(p, expr);
  end(p, expr->span);
  p->depth++;
  switch (expr->kind) {
  case EXPR_SLICE:
    print_expr(p, "from", expr->left);
    print_expr(p, "to", expr->right);
    print_expr(p, "step", expr->third);
    break;
  case EXPR_CONDITIONAL:
    print_expr(p, "if", expr->third);
    print_expr(p, "then", expr->left);
    print_expr(p, "else", expr->right);
    break;
  case EXPR_COMPREHENSION:
    print_expr(p, "each", expr->left);
    print_names(p, "for", &expr->names);
    print_expr(p, "in", expr->right);
    break;
  case EXPR_MAP:
    for (size_t i = 0; i < expr->items.count; i++) {
      print_expr(p, "key", expr->items.items[i]);
      print_expr(p, "value", expr->values.items[i]);
    }
    break;
  default:
    print_expr(p, NULL, expr->left);
    print_expr(p, NULL, expr->right);
    print_exprs(p, NULL, &expr->items);
    print_arguments(p, &expr->arguments);
  }
  p->depth--;
}

static void print_tensor(Printer *p, const Stmt *stmt) {
  print_expr(p, "type", stmt->type);
  print_expr(p, "from", stmt->from);
  print_expr(p, "init", stmt->init);
}

static void print_stmt(Printer *p, const char *role, const Stmt *stmt) {
  static const char *const words[] = {
      [STMT_BIND] = "bind",         [STMT_WRITE] = "write",
      [STMT_EXPR] = "do",           [STMT_SCAN] = "scan",
      [STMT_PARAM] = "param",       [STMT_STATE] = "state",
      [STMT_RETURN] = "return",     [STMT_EMIT] = "emit",
      [STMT_ASSERT] = "assert",     [STMT_IF] = "if",
      [STMT_FOR] = "for",           [STMT_MINIMIZE] = "minimize",
      [STMT_FUNCTION] = "function",
  };
  if (stmt->kind == STMT_FUNCTION) {
    print_definition(p, stmt->definition);
    return;
  }
  begin(p, role);
  text_string(p->text, words[stmt->kind]);
  if (stmt->name.name) text_format(p->text, " %s", stmt->name.name);
  end(p, stmt->span);
  p->depth++;
  print_exprs(p, "target", &stmt->targets);
  print_names(p, "names", &stmt->names);
  print_expr(p, "condition", stmt->kind == STMT_SCAN ? NULL : stmt->condition);
  print_expr(p, "message", stmt->message);
  print_expr(p, "loss", stmt->loss);
  print_exprs(p,
              stmt->kind == STMT_MINIMIZE ? "over"
              : stmt->kind == STMT_SCAN   ? "in"
                                          : "value",
              &stmt->values);
  print_expr(p, "in", stmt->iterable);
  print_expr(p, "axis", stmt->axis);
  print_names(p, "carry", &stmt->carry);
  print_expr(p, "while", stmt->kind == STMT_SCAN ? stmt->condition : NULL);
  print_expr(p, "with", stmt->optimizer);
  print_tensor(p, stmt);
  print_stmts(p, "body", &stmt->body);
  if (stmt->has_otherwise) print_stmts(p, "else", &stmt->otherwise);
  p->depth--;
}

static void print_stmts(Printer *p, const char *role, const StmtList *list) {
  if (!list->span.file) return;
  begin(p, role);
  end(p, list->span);
  p->depth++;
  for (size_t i = 0; i < list->count; i++) print_stmt(p, NULL, list->items[i]);
  p->depth--;
}

static void print_parameters(Printer *p, const char *role, const ParameterList *list) {
  for (size_t i = 0; i < list->count; i++) {
    const Parameter *parameter = &list->items[i];
    begin(p, role);
    text_string(p->text, parameter->name.name);
    end(p, parameter->span);
    p->depth++;
    print_expr(p, "type", parameter->type);
    print_expr(p, "in", parameter->range);
    print_expr(p, "default", parameter->init);
    p->depth--;
  }
}

static void print_definition(Printer *p, const Definition *definition) {
  begin(p, definition_kind_text(definition->kind));
  text_string(p->text, definition->name.name);
  end(p, definition->span);
  p->depth++;
  print_parameters(p, "hyper", &definition->hyper);
  print_parameters(p, "parameter", &definition->parameters);
  for (size_t i = 0; i < definition->results.count; i++) {
    const DeclaredResult *result = &definition->results.items[i];
    const char *role = "result";
    if (result->name.name) role = arena_format(p->text->arena, "result %s:", result->name.name);
    print_expr(p, role, result->type);
  }
  print_expr(p, "value", definition->value);
  print_stmts(p, "body", &definition->body);
  p->depth--;
}

static void print_part(Printer *p, const RunPart *part) {
  begin(p, part->value ? "setting" : "call");
  text_string(p->text, part->entry.name);
  end(p, part->span);
  p->depth++;
  print_names(p, "takes", &part->inputs);
  print_names(p, "gives", &part->outputs);
  print_expr(p, NULL, part->value);
  p->depth--;
}

static void print_declaration(Printer *p, const Declaration *declaration) {
  switch (declaration->kind) {
  case DECLARATION_DEFINITION:
    print_definition(p, declaration->definition);
    return;
  case DECLARATION_STMT:
    print_stmt(p, NULL, declaration->statement);
    return;
  case DECLARATION_IMPORT:
    begin(p, "import");
    print_string(p, declaration->value->name);
    end(p, declaration->span);
    return;
  case DECLARATION_CONST:
  case DECLARATION_DIM:
    begin(p, declaration->kind == DECLARATION_CONST ? "const" : "dim");
    text_string(p->text, declaration->name.name);
    end(p, declaration->span);
    p->depth++;
    print_expr(p, declaration->bounded ? "at most" : NULL, declaration->value);
    p->depth--;
    return;
  case DECLARATION_RUN:
    begin(p, "run");
    text_string(p->text, declaration->run.name);
    end(p, declaration->span);
    p->depth++;
    for (size_t i = 0; i < declaration->parts.count; i++)
      print_part(p, &declaration->parts.items[i]);
    p->depth--;
    return;
  case DECLARATION_STEPS:
    begin(p, "steps");
    end(p, declaration->span);
    p->depth++;
    for (size_t i = 0; i < declaration->steps.count; i++) {
      const Step *step = &declaration->steps.items[i];
      begin(p, "step");
      text_string(p->text, step->name.name);
      end(p, step->name.span);
      p->depth++;
      print_expr(p, "times", step->times);
      p->depth--;
    }
    p->depth--;
  }
}

void ast_print(const AstFile *file, const Sources *sources, bool places, Text *text) {
  Printer p = {.source = sources_get(sources, file->file), .places = places, .text = text};
  for (size_t i = 0; i < file->count; i++) print_declaration(&p, file->items[i]);
}
