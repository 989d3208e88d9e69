/* syntax.h - what parser.y's rules build the tree with. Private to the parser.
 *
 * A Parser is the state of one parse_file: the tokens (lexer.h), where the next one is, and the
 * arena. Rules call parser_* functions and hold no code of their own.
 */
#ifndef FRONTEND_SYNTAX_H
#define FRONTEND_SYNTAX_H

#include "frontend/parse.h"
#include "support/vec.h"

struct Token;

typedef struct Parser {
  Arena *arena;
  Interner *interner;
  Diagnostics *diagnostics;
  int32_t file;
  const char *bytes;
  const struct Token *tokens;
  size_t next, count;
  const uint32_t *bad; /* as in TokenList */
  size_t bad_count;
  size_t resume;  /* after an error: the token to go on with; 0: none */
  bool end_first; /* and before it an end of the statement, which is not in the text */
  bool too_deep;  /* said once */
  AstFile *result;
  size_t room; /* of the result's declarations */
} Parser;

/* Lists while they grow. */
typedef VEC(Expr *) ExprVec;
typedef VEC(Stmt *) StmtVec;
typedef VEC(Declaration *) DeclarationVec;
typedef VEC(Ident) IdentVec;
typedef VEC(Argument) ArgumentVec;
typedef VEC(Parameter) ParameterVec;
typedef VEC(DeclaredResult) ResultVec;
typedef VEC(Step) StepVec;
typedef VEC(RunPart) RunPartVec;

typedef struct {
  ExprVec keys, values;
} PairVec;

/* `scan` up to its block; `axis`, `condition` may be NULL. */
typedef struct {
  IdentVec names, carry;
  ExprVec sequences;
  Expr *axis, *condition;
} ScanHead;

/* An `if` with its `else if`s, and the innermost of them, which a further `else` belongs to. */
typedef struct {
  Stmt *first, *last;
  int count;
} IfChain;

#define LIST(type, vec) ((type){(vec).items, (vec).count})

/* The span of a rule's parts[1 .. count]; with none, the empty one after parts[0]. */
Span parser_join(const Span *parts, int count);
/* Reports that `found` stands where one of `expected` should (names as in parser.y), and sets where
 * to go on. */
void parser_syntax_error(Parser *parser, const char *found, const char *const *expected, int count);

Expr *parser_expr(Parser *parser, ExprKind kind, Span span);
Expr *parser_name(Parser *parser, Ident name);
Expr *parser_unary(Parser *parser, AstOperator op, Expr *operand, Span op_span, Span span);
Expr *parser_binary(Parser *parser, AstOperator op, Expr *left, Expr *right, Span op_span);
/* RANGE, CONDITIONAL, PIPE, SLICE, COMPREHENSION: any of the parts may be NULL. */
Expr *parser_parts(Parser *parser, ExprKind kind, Expr *left, Expr *right, Expr *third, Span span);
Expr *parser_call(Parser *parser, Expr *callee, ArgumentVec arguments, Span span);
Expr *parser_items(Parser *parser, ExprKind kind, Expr *base, ExprVec items, Span span);
Expr *parser_map(Parser *parser, PairVec pairs, Span span);
Expr *parser_field(Parser *parser, Expr *base, Ident word, Span span);

Stmt *parser_stmt(Parser *parser, StmtKind kind, Span span);
Stmt *parser_bind(Parser *parser, ExprVec targets, ExprVec values, Expr *from, Span span);
Stmt *parser_write(Parser *parser, ExprVec targets, ExprVec values, Span span);
Stmt *parser_call_statement(Parser *parser, ExprVec values, Span span);
Stmt *parser_scan(Parser *parser, ExprVec targets, ScanHead head, StmtList body, Span span);
Stmt *parser_tensor(Parser *parser, StmtKind kind, IdentVec path, Expr *type, Expr *from,
                    Expr *init, Span span);
IfChain parser_if(Parser *parser, IfChain chain, Expr *condition, StmtList body, Span span);
Stmt *parser_else(IfChain chain, StmtList body, Span span);
StmtList parser_block(StmtVec statements, Span span);

Definition *parser_definition(Parser *parser, DefinitionKind kind, Ident name, ParameterList hyper,
                              ParameterList parameters, ResultList results, StmtList body,
                              Span span);
ParameterList parser_parameters(ParameterVec parameters, Span span);
Declaration *parser_declaration(Parser *parser, DeclarationKind kind, Ident name, Span span);
Declaration *parser_define(Parser *parser, Definition *definition);
/* A statement at the top level: a function is a definition, some others cannot stand there. */
Declaration *parser_top_statement(Parser *parser, Stmt *statement);

#endif
