/* resolver.h - what the two files of name resolution share: resolve.c walks the declarations of a
 * file, resolve_body.c what they hold. */
#ifndef FRONTEND_RESOLVER_H
#define FRONTEND_RESOLVER_H

#include "frontend/endless.h"
#include "frontend/scope.h"

typedef struct {
  Names names;
  Endless *endless;
  const Definition *definition; /* of the file, that is walked; NULL: at the top level */
  int conditional;              /* within parts that may be left out */
  int scans;                    /* around, in this definition */
} Resolver;

/* Puts the names that a block binds into the scope, unbound. */
void resolve_collect(Resolver *r, const StmtList *block);
/* Each looks up the names that it uses, and binds those that it makes. */
void resolve_expr(Resolver *r, const Expr *expr, Wanted wanted);
void resolve_statement(Resolver *r, const Stmt *stmt);
void resolve_definition(Resolver *r, const Definition *definition);

#endif
