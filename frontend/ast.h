/* ast.h - a .dl file as a tree, as written.
 *
 * Made by parse_file (parse.h), read by resolve.c and the elaborator. Everything lies in the arena
 * that parse_file was given; names are interned, so equal names are equal pointers; every node has
 * the range of bytes that it was written in. Nothing is annotated later: the tree stays const.
 *
 * One struct per class of node (Expr, Stmt, Declaration) with a kind and fields; the table beside
 * each kind says which fields it uses, the others are zero. Lists are `items` and `count`.
 *
 * A type is an Expr too: a name (`f32`, `int`, `dim`, `fn`, `layer`, `optimizer`), an index
 * expression (`f32[N, 3]`, `float[..., in]`, `bool[]`), or a list of types (`[int, int]`).
 */
#ifndef FRONTEND_AST_H
#define FRONTEND_AST_H

#include "support/source.h"

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Declaration Declaration;

typedef struct {
  const char *name; /* interned; NULL where the name is optional and absent */
  Span span;
} Ident;

typedef struct {
  Ident *items;
  size_t count;
} IdentList;

typedef struct {
  Expr **items;
  size_t count;
} ExprList;

/* `x` or `name=x` in a call. */
typedef struct {
  Ident name; /* name.name is NULL: by position */
  Expr *value;
} Argument;

typedef struct {
  Argument *items;
  size_t count;
} ArgumentList;

/* Levels that brackets, blocks and expressions nest at most: a tree can be walked recursively. */
enum { AST_DEEPEST = 1000 };

/* Operators of EXPR_UNARY and EXPR_BINARY: OPERATOR(name, text, operands). */
#define AST_OPERATORS(OPERATOR)                                                                    \
  OPERATOR(NEGATE, "-", 1)                                                                         \
  OPERATOR(NOT, "not", 1)                                                                          \
  OPERATOR(ADD, "+", 2)                                                                            \
  OPERATOR(SUBTRACT, "-", 2)                                                                       \
  OPERATOR(MULTIPLY, "*", 2)                                                                       \
  OPERATOR(DIVIDE, "/", 2)                                                                         \
  OPERATOR(REMAINDER, "%", 2)                                                                      \
  OPERATOR(MATMUL, "@", 2)                                                                         \
  OPERATOR(POWER, "^", 2)                                                                          \
  OPERATOR(EQUAL, "==", 2)                                                                         \
  OPERATOR(NOT_EQUAL, "!=", 2)                                                                     \
  OPERATOR(LESS, "<", 2)                                                                           \
  OPERATOR(GREATER, ">", 2)                                                                        \
  OPERATOR(LESS_EQUAL, "<=", 2)                                                                    \
  OPERATOR(GREATER_EQUAL, ">=", 2)                                                                 \
  OPERATOR(AND, "and", 2)                                                                          \
  OPERATOR(OR, "or", 2)

typedef enum {
#define OPERATOR(name, text, operands) AST_##name,
  AST_OPERATORS(OPERATOR)
#undef OPERATOR
} AstOperator;

typedef enum {
  EXPR_NAME,        /* x                     name */
  EXPR_INTEGER,     /* 64                    integer */
  EXPR_FLOAT,       /* 1e-5                  number */
  EXPR_STRING,      /* "why"                 name (the text without quotes, escapes resolved) */
  EXPR_BOOL,        /* true                  integer: 0 or 1 */
  EXPR_NONE,        /* None */
  EXPR_HOLE,        /* _                     an argument of a call that is still missing */
  EXPR_UNARY,       /* -x, not x             op, left */
  EXPR_BINARY,      /* x + y                 op, op_span, left, right */
  EXPR_RANGE,       /* a..b                  left, right */
  EXPR_CONDITIONAL, /* a if c else b         left (a), third (c), right (b) */
  EXPR_PIPE,        /* x |> f(2)             left, right, op_span */
  EXPR_CALL,        /* f(x, k=1)             left (callee), arguments */
  EXPR_INDEX,       /* x[0, 1:, ...]         left (base), items */
  EXPR_SLICE,       /* a:b:c                 left, right, third, each may be NULL; in INDEX only */
  EXPR_ELLIPSIS,    /* ...                   in INDEX only */
  EXPR_FIELD,       /* x.weight              left, name, name_span */
  EXPR_LIST,        /* [a, b]                items */
  EXPR_COMPREHENSION, /* [e for a, b in c]     left (e), names, right (c) */
  EXPR_MAP,           /* {18: [2, 2], 50: x}   items (keys), values; equally many */
} ExprKind;

struct Expr {
  ExprKind kind;
  AstOperator op;
  bool parenthesised; /* the span includes the parentheses */
  uint16_t depth;     /* 1 + that of the deepest part; at most AST_DEEPEST */
  Span span;
  Span op_span;   /* the sign itself */
  Span name_span; /* FIELD: the word after the dot */
  const char *name;
  int64_t integer;
  double number;
  Expr *left, *right, *third;
  ExprList items, values;
  ArgumentList arguments;
  IdentList names;
};

typedef struct {
  Stmt **items;
  size_t count;
  Span span; /* with the braces */
} StmtList;

/* `name: type = init`, or `name: dim in range`. */
typedef struct {
  Ident name;
  Expr *type;  /* NULL: anything. For an index dim: the name `dim` */
  Expr *range; /* `dim in range`, else NULL */
  Expr *init;  /* the default, or NULL */
  Span span;
} Parameter;

typedef struct {
  Parameter *items;
  size_t count;
  bool present; /* an optimizer and a layer have both lists, everything else one */
  Span span;    /* with the parentheses */
} ParameterList;

/* One of `-> type` or `-> (a: type, b: type)`. */
typedef struct {
  Ident name; /* name.name is NULL: without a name */
  Expr *type;
  Span span;
} DeclaredResult;

typedef struct {
  DeclaredResult *items; /* count is 0 if no result was declared */
  size_t count;
  bool list; /* written in parentheses */
  Span span;
} ResultList;

typedef enum {
  DEFINITION_FUNCTION,  /* fn name(parameters) -> results = value, or a body */
  DEFINITION_LAYER,     /* layer name(hyper)(parameters) -> results { body } */
  DEFINITION_MODEL,     /* model name(parameters) -> results { body } */
  DEFINITION_TRAIN,     /* train name(parameters) -> results { body } */
  DEFINITION_OPTIMIZER, /* optimizer name(hyper)(parameters) { body } */
} DefinitionKind;

typedef struct {
  DefinitionKind kind;
  Ident name;
  ParameterList hyper, parameters;
  ResultList results;
  Expr *value; /* of a function written with '='; then there is no body */
  StmtList body;
  Span span;   /* all of it */
  Span header; /* from the keyword to the end of parameters or results */
} Definition;

typedef enum {
  STMT_BIND,     /* a, b.c = e, f          targets (names and dotted paths), values; one may
                                           have a name for files: a = e from f */
  STMT_WRITE,    /* a, b[:, 0] <- e, f     targets (names, fields, indices), values */
  STMT_EXPR,     /* opt(p, g)              values */
  STMT_SCAN,     /* ys = scan ..           targets (may be none), names, values (sequences),
                                           axis, carry, condition (while), body */
  STMT_PARAM,    /* param a.b: t from f = init     name, path, type, from, init */
  STMT_STATE,    /* state a: t from f = init       the same; type may be NULL */
  STMT_RETURN,   /* return a, b            values (may be none) */
  STMT_EMIT,     /* emit a, b              values */
  STMT_ASSERT,   /* assert c, "why"        condition, message */
  STMT_IF,       /* if c { .. } else ..    condition, body, otherwise; `else if` is an otherwise
                                           that holds one STMT_IF */
  STMT_FOR,      /* for a, b in e { .. }   names, iterable, body */
  STMT_MINIMIZE, /* minimize l over x with o    loss, values (over; may be none), optimizer */
  STMT_FUNCTION, /* fn inside a body       definition */
} StmtKind;

struct Stmt {
  StmtKind kind;
  Span span;
  ExprList targets, values;
  IdentList names;
  Ident name;     /* PARAM, STATE: the dotted path as one interned text, "a.b" */
  IdentList path; /* PARAM, STATE: its words */
  Expr *type, *from, *init;
  Expr *condition, *message, *iterable, *axis, *loss, *optimizer;
  IdentList carry;
  StmtList body, otherwise;
  bool has_otherwise;
  Definition *definition;
};

/* `critic * 5` in `train { .. }`. */
typedef struct {
  Ident name;
  Expr *times; /* NULL: once */
} Step;

typedef struct {
  Step *items;
  size_t count;
} StepList;

/* `token, pos -> next -> token` or `end = 2` in `run NAME { .. }`. */
typedef struct {
  IdentList inputs, outputs;
  Ident entry; /* of a setting: its name */
  Expr *value; /* of a setting, else NULL */
  Span span;
} RunPart;

typedef struct {
  RunPart *items;
  size_t count;
} RunPartList;

typedef enum {
  DECLARATION_IMPORT,     /* import "blocks.dl"     value (EXPR_STRING) */
  DECLARATION_CONST,      /* const D = 768          name, value */
  DECLARATION_DIM,        /* dim N = 1, dim N <= 8  name, value, bounded */
  DECLARATION_DEFINITION, /* layer, model, train, optimizer, fn     name, definition */
  DECLARATION_STEPS,      /* train { critic * 5; generator }        steps */
  DECLARATION_RUN,        /* run generate { token -> next -> token }     run, parts */
  DECLARATION_STMT,       /* a binding, if, for, param, state at the top level      statement */
} DeclarationKind;

struct Declaration {
  DeclarationKind kind;
  Span span;
  Ident name;
  Expr *value;
  bool bounded; /* DIM: `<=` */
  Definition *definition;
  StepList steps;
  Ident run; /* RUN: its name, which is not among the file's */
  RunPartList parts;
  Stmt *statement;
};

typedef struct {
  int32_t file; /* in Sources */
  Declaration **items;
  size_t count;
} AstFile;

/* "+", "and", .. */
const char *ast_operator_text(AstOperator op);
/* "layer", "model", "train", "optimizer", "fn" */
const char *definition_kind_text(DefinitionKind kind);

/* `a.b.c` built of EXPR_NAME and EXPR_FIELD as one text ("a.b.c"), or NULL if it is anything else.
 */
const char *ast_path(Arena *arena, const Expr *expr);

#endif
