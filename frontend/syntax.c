/* The tree's nodes, as parser.y's rules make them. */
#include "frontend/syntax.h"

#include "support/bug.h"

Span parser_join(const Span *parts, int count) {
  Span none = {parts[0].file, parts[0].to, parts[0].to};
  if (count) none = (Span){parts[1].file, parts[1].from, parts[1].from};
  int first = 1, last = count;
  while (first <= count && parts[first].from == parts[first].to) first++;
  while (last > first && parts[last].from == parts[last].to) last--;
  return first > count ? none : span_join(parts[first], parts[last]);
}

/* Keeps trees shallow enough to be walked recursively. */
static Expr *deepen(Parser *parser, Expr *expr, const Expr *part) {
  if (!part || part->depth < expr->depth) return expr;
  expr->depth = part->depth;
  if (part->depth < AST_DEEPEST) {
    expr->depth++;
  } else if (!parser->too_deep) {
    parser->too_deep = true;
    Diagnostic *d = diag_report(parser->diagnostics, E0006, expr->span,
                                "the expression is nested deeper than 1,000 levels");
    diag_help(d, "bind parts of it to names");
  }
  return expr;
}

Expr *parser_expr(Parser *parser, ExprKind kind, Span span) {
  Expr *expr = ARENA_NEW(parser->arena, Expr);
  expr->kind = kind;
  expr->span = span;
  expr->depth = 1;
  return expr;
}

Expr *parser_name(Parser *parser, Ident name) {
  bool hole = name.name[0] == '_' && !name.name[1];
  Expr *expr = parser_expr(parser, hole ? EXPR_HOLE : EXPR_NAME, name.span);
  expr->name = name.name;
  return expr;
}

Expr *parser_parts(Parser *parser, ExprKind kind, Expr *left, Expr *right, Expr *third, Span span) {
  Expr *expr = parser_expr(parser, kind, span);
  expr->left = left;
  expr->right = right;
  expr->third = third;
  deepen(parser, expr, left);
  deepen(parser, expr, right);
  return deepen(parser, expr, third);
}

Expr *parser_unary(Parser *parser, AstOperator op, Expr *operand, Span op_span, Span span) {
  Expr *expr = parser_parts(parser, EXPR_UNARY, operand, NULL, NULL, span);
  expr->op = op;
  expr->op_span = op_span;
  return expr;
}

Expr *parser_binary(Parser *parser, AstOperator op, Expr *left, Expr *right, Span op_span) {
  Expr *expr =
      parser_parts(parser, EXPR_BINARY, left, right, NULL, span_join(left->span, right->span));
  expr->op = op;
  expr->op_span = op_span;
  return expr;
}

Expr *parser_call(Parser *parser, Expr *callee, ArgumentVec arguments, Span span) {
  Expr *expr = parser_parts(parser, EXPR_CALL, callee, NULL, NULL, span);
  expr->arguments = LIST(ArgumentList, arguments);
  for (size_t i = 0; i < arguments.count; i++) deepen(parser, expr, arguments.items[i].value);
  return expr;
}

Expr *parser_items(Parser *parser, ExprKind kind, Expr *base, ExprVec items, Span span) {
  Expr *expr = parser_parts(parser, kind, base, NULL, NULL, span);
  expr->items = LIST(ExprList, items);
  for (size_t i = 0; i < items.count; i++) deepen(parser, expr, items.items[i]);
  return expr;
}

Expr *parser_map(Parser *parser, PairVec pairs, Span span) {
  Expr *expr = parser_items(parser, EXPR_MAP, NULL, pairs.keys, span);
  expr->values = LIST(ExprList, pairs.values);
  for (size_t i = 0; i < pairs.values.count; i++) deepen(parser, expr, pairs.values.items[i]);
  return expr;
}

Expr *parser_field(Parser *parser, Expr *base, Ident word, Span span) {
  Expr *expr = parser_parts(parser, EXPR_FIELD, base, NULL, NULL, span);
  expr->name = word.name;
  expr->name_span = word.span;
  return expr;
}

/* ---- statements ---- */

Stmt *parser_stmt(Parser *parser, StmtKind kind, Span span) {
  Stmt *stmt = ARENA_NEW(parser->arena, Stmt);
  stmt->kind = kind;
  stmt->span = span;
  return stmt;
}

/* A name or a dotted path, for a `<-` also an element or a part. */
static bool is_target(const Expr *expr, bool written) {
  for (; !expr->parenthesised; expr = expr->left) {
    if (expr->kind == EXPR_NAME) return true;
    if (expr->kind != EXPR_FIELD && !(written && expr->kind == EXPR_INDEX)) return false;
  }
  return false;
}

static void check_targets(Parser *parser, ExprVec targets, bool written) {
  for (size_t i = 0; i < targets.count; i++) {
    const Expr *target = targets.items[i];
    if (is_target(target, written)) continue;
    Diagnostic *d =
        written ? diag_report(parser->diagnostics, E0008, target->span, "this cannot be written to")
                : diag_report(parser->diagnostics, E0008, target->span, "this cannot be bound");
    if (written)
      diag_help(d, "left of '<-' stand states: a name, a field, a part like cache[:, 0]");
    else if (target->kind == EXPR_INDEX)
      diag_help(d, "a part of a state is written with '<-'; of a value, update makes a new one");
    else if (target->kind == EXPR_HOLE)
      diag_help(d, "'_' is a missing argument; give what is not used a name of its own");
    else
      diag_help(d, "left of '=' stand names, or a path like encoder.layer");
  }
}

Stmt *parser_bind(Parser *parser, ExprVec targets, ExprVec values, Expr *from, Span span) {
  check_targets(parser, targets, false);
  if (from && (targets.count != 1 || values.count != 1)) {
    Diagnostic *d = diag_report(parser->diagnostics, E0008, from->span,
                                "'from' names one instance, not %zu", targets.count);
    diag_help(d, "bind each of them in a statement of its own");
  }
  Stmt *stmt = parser_stmt(parser, STMT_BIND, span);
  stmt->from = from;
  stmt->targets = LIST(ExprList, targets);
  stmt->values = LIST(ExprList, values);
  return stmt;
}

Stmt *parser_write(Parser *parser, ExprVec targets, ExprVec values, Span span) {
  check_targets(parser, targets, true);
  Stmt *stmt = parser_stmt(parser, STMT_WRITE, span);
  stmt->targets = LIST(ExprList, targets);
  stmt->values = LIST(ExprList, values);
  return stmt;
}

Stmt *parser_call_statement(Parser *parser, ExprVec values, Span span) {
  for (size_t i = 0; i < values.count; i++) {
    const Expr *value = values.items[i];
    if (value->kind == EXPR_CALL || value->kind == EXPR_PIPE) continue;
    Diagnostic *d =
        diag_report(parser->diagnostics, E0007, value->span, "a value alone is no statement");
    if (value->kind == EXPR_BINARY && value->op == AST_EQUAL)
      diag_help(d, "a name is bound with '='");
    else
      diag_help(d, "bind it to a name, return it, or call what has an effect");
    break;
  }
  Stmt *stmt = parser_stmt(parser, STMT_EXPR, span);
  stmt->values = LIST(ExprList, values);
  return stmt;
}

Stmt *parser_scan(Parser *parser, ExprVec targets, ScanHead head, StmtList body, Span span) {
  check_targets(parser, targets, false);
  Stmt *stmt = parser_stmt(parser, STMT_SCAN, span);
  stmt->targets = LIST(ExprList, targets);
  stmt->names = LIST(IdentList, head.names);
  stmt->values = LIST(ExprList, head.sequences);
  stmt->axis = head.axis;
  stmt->carry = LIST(IdentList, head.carry);
  stmt->condition = head.condition;
  stmt->body = body;
  return stmt;
}

Stmt *parser_tensor(Parser *parser, StmtKind kind, IdentVec path, Expr *type, Expr *from,
                    Expr *init, Span span) {
  Stmt *stmt = parser_stmt(parser, kind, span);
  Text name = text_new(parser->arena);
  for (size_t i = 0; i < path.count; i++) {
    if (i) text_char(&name, '.');
    text_string(&name, path.items[i].name);
  }
  stmt->name.name = intern_bytes(parser->interner, text_get(&name), name.length);
  stmt->name.span = span_join(path.items[0].span, vec_last(&path).span);
  stmt->path = LIST(IdentList, path);
  stmt->type = type;
  stmt->from = from;
  stmt->init = init;
  return stmt;
}

StmtList parser_block(StmtVec statements, Span span) {
  return (StmtList){statements.items, statements.count, span};
}

static StmtList one_statement(Parser *parser, Stmt *stmt) {
  StmtVec one = {0};
  vec_push(parser->arena, &one, stmt);
  return parser_block(one, stmt->span);
}

IfChain parser_if(Parser *parser, IfChain chain, Expr *condition, StmtList body, Span span) {
  Stmt *stmt = parser_stmt(parser, STMT_IF, span);
  stmt->condition = condition;
  stmt->body = body;
  if (!chain.first) return (IfChain){stmt, stmt, 1};
  if (chain.count == AST_DEEPEST) {
    if (!parser->too_deep)
      diag_report(parser->diagnostics, E0006, condition->span,
                  "more than 1,000 'else if's follow each other");
    parser->too_deep = true;
    return chain;
  }
  chain.last->otherwise = one_statement(parser, stmt);
  chain.last->has_otherwise = true;
  chain.last = stmt;
  chain.first->span = span_join(chain.first->span, span);
  chain.count++;
  return chain;
}

Stmt *parser_else(IfChain chain, StmtList body, Span span) {
  chain.last->otherwise = body;
  chain.last->has_otherwise = true;
  chain.last->span = span_join(chain.last->span, body.span);
  chain.first->span = span;
  return chain.first;
}

/* ---- declarations ---- */

ParameterList parser_parameters(ParameterVec parameters, Span span) {
  return (ParameterList){parameters.items, parameters.count, true, span};
}

Definition *parser_definition(Parser *parser, DefinitionKind kind, Ident name, ParameterList hyper,
                              ParameterList parameters, ResultList results, StmtList body,
                              Span span) {
  Definition *definition = ARENA_NEW(parser->arena, Definition);
  *definition = (Definition){.kind = kind,
                             .name = name,
                             .hyper = hyper,
                             .parameters = parameters,
                             .results = results,
                             .body = body,
                             .span = span};
  definition->header = span;
  definition->header.to = results.count ? results.span.to : parameters.span.to;
  return definition;
}

Declaration *parser_declaration(Parser *parser, DeclarationKind kind, Ident name, Span span) {
  Declaration *declaration = ARENA_NEW(parser->arena, Declaration);
  declaration->kind = kind;
  declaration->name = name;
  declaration->span = span;
  return declaration;
}

Declaration *parser_define(Parser *parser, Definition *definition) {
  Declaration *declaration =
      parser_declaration(parser, DECLARATION_DEFINITION, definition->name, definition->span);
  declaration->definition = definition;
  return declaration;
}

Declaration *parser_top_statement(Parser *parser, Stmt *statement) {
  if (statement->kind == STMT_FUNCTION) return parser_define(parser, statement->definition);
  const char *word = NULL;
  switch (statement->kind) {
  case STMT_RETURN:
    word = "'return'";
    break;
  case STMT_EMIT:
    word = "'emit'";
    break;
  case STMT_MINIMIZE:
    word = "'minimize'";
    break;
  case STMT_WRITE:
    word = "a write";
    break;
  case STMT_EXPR:
    word = "a call";
    break;
  case STMT_SCAN:
    word = "'scan'";
    break;
  default:
    break;
  }
  if (word) {
    Diagnostic *d = diag_report(parser->diagnostics, E0007, statement->span,
                                "%s cannot stand at the top level", word);
    diag_help(d, "put it into a model, a train step, a layer or a function");
    return NULL;
  }
  Declaration *declaration =
      parser_declaration(parser, DECLARATION_STMT, (Ident){0}, statement->span);
  declaration->statement = statement;
  return declaration;
}
