/* parser.y - the grammar of .dl.
 *
 * LALR(1) without conflicts and without precedence declarations. Newlines that end a statement are
 * tokens, brackets are balanced (lexer.h). After an error the token stream goes on at the end of
 * the statement (parse.c), so `error` is always followed by a separator or a closing brace.
 */
%require "3.8"
%expect 0
%define api.pure full
%define api.prefix {dlparse_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parser *parser}

%code requires {
#include "frontend/syntax.h"
}

%code provides {
int dlparse_lex(DLPARSE_STYPE *value, Span *span, Parser *parser);
void dlparse_error(const Span *span, Parser *parser, const char *message);
}

%code {
#define YYINITDEPTH 20 /* grows; the sanitizer marks all of it for each token */
#define YYMAXDEPTH 100000
#define YYLLOC_DEFAULT(result, parts, count) ((result) = parser_join((parts), (count)))
}

%union {
  const char *name;
  int64_t integer;
  double number;
  AstOperator op;
  Ident ident;
  Expr *expr;
  Stmt *stmt;
  Declaration *declaration;
  Definition *definition;
  ExprVec exprs;
  PairVec pairs;
  IdentVec idents;
  Argument argument;
  ArgumentVec arguments;
  Parameter parameter;
  ParameterVec parameter_vec;
  ParameterList parameters;
  DeclaredResult result;
  ResultVec result_vec;
  ResultList results;
  Step step;
  StepVec steps;
  RunPart part;
  RunPartVec parts;
  StmtVec stmts;
  StmtList block;
  ScanHead scan;
  IfChain chain;
}

%token END 0 "the end of the file"
%token NEWLINE "the end of the line"
%token IMPORT "'import'" CONST "'const'" DIM "'dim'" FN "'fn'" LAYER "'layer'" MODEL "'model'"
%token TRAIN "'train'" OPTIMIZER "'optimizer'" RUN "'run'"
%token PARAM "'param'" STATE "'state'" RETURN "'return'" EMIT "'emit'" ASSERT "'assert'"
%token IF "'if'" ELSE "'else'" FOR "'for'" SCAN "'scan'" WHILE "'while'" MINIMIZE "'minimize'"
%token TRUE "'true'" FALSE "'false'" NONE "'None'" AND "'and'" OR "'or'" NOT "'not'"
%token <name> IN "'in'" AXIS "'axis'" CARRY "'carry'" OVER "'over'" WITH "'with'" FROM "'from'"
%token <name> NAME "a name" STRING "a text"
%token <integer> INTEGER "a number"
%token <number> FLOAT "a number with a point"
%token PIPE "'|>'" ARROW "'->'" WRITE "'<-'" ELLIPSIS "'...'" DOTS "'..'"
%token EQUAL "'=='" NOT_EQUAL "'!='" LESS_EQUAL "'<='" GREATER_EQUAL "'>='"
%token '(' "'('" ')' "')'" '[' "'['" ']' "']'" '{' "'{'" '}' "'}'"
%token '+' "'+'" '-' "'-'" '*' "'*'" '/' "'/'" '%' "'%'" '@' "'@'" '^' "'^'" '<' "'<'" '>' "'>'"
%token '=' "'='" ',' "','" ':' "':'" ';' "';'" '.' "'.'"

%type <declaration> top
%type <ident> name
%type <idents> names path carried
%type <expr> expr ternary or and not comparison range sum term unary power postfix atom index
%type <expr> optional type default axis while from
%type <exprs> exprs indices types
%type <pairs> pairs
%type <argument> argument
%type <arguments> arguments
%type <op> comparator adder multiplier
%type <parameter> parameter
%type <parameter_vec> parameter_list
%type <parameters> parameters
%type <result> result
%type <result_vec> result_list
%type <results> results
%type <step> step
%type <steps> steps
%type <part> part
%type <parts> parts
%type <stmt> stmt
%type <stmts> stmts
%type <block> block
%type <scan> scan_head
%type <chain> if_chain

%%

file
  : %empty
  | file sep
  | file top sep {
      DeclarationVec list = {parser->result->items, parser->result->count, parser->room};
      if ($top) vec_push(parser->arena, &list, $top);
      parser->result->items = list.items;
      parser->result->count = list.count;
      parser->room = list.room;
    }
  | file error sep  { yyerrok; }
  ;

sep : NEWLINE | ';' ;
nl : %empty | NEWLINE ;

top
  : IMPORT STRING {
      $$ = parser_declaration(parser, DECLARATION_IMPORT, (Ident){0}, @$);
      $$->value = parser_expr(parser, EXPR_STRING, @2);
      $$->value->name = $2;
    }
  | CONST name '=' expr {
      $$ = parser_declaration(parser, DECLARATION_CONST, $name, @$);
      $$->value = $expr;
    }
  | DIM name '=' expr {
      $$ = parser_declaration(parser, DECLARATION_DIM, $name, @$);
      $$->value = $expr;
    }
  | DIM name LESS_EQUAL expr {
      $$ = parser_declaration(parser, DECLARATION_DIM, $name, @$);
      $$->value = $expr;
      $$->bounded = true;
    }
  | LAYER name parameters[hyper] nl parameters[inputs] results block {
      $$ = parser_define(parser, parser_definition(parser, DEFINITION_LAYER, $name, $hyper,
                                                   $inputs, $results, $block, @$));
    }
  | MODEL name parameters results block {
      $$ = parser_define(parser, parser_definition(parser, DEFINITION_MODEL, $name,
                                                   (ParameterList){0}, $parameters, $results,
                                                   $block, @$));
    }
  | TRAIN name parameters results block {
      $$ = parser_define(parser, parser_definition(parser, DEFINITION_TRAIN, $name,
                                                   (ParameterList){0}, $parameters, $results,
                                                   $block, @$));
    }
  | OPTIMIZER name parameters[hyper] nl parameters[inputs] block {
      $$ = parser_define(parser, parser_definition(parser, DEFINITION_OPTIMIZER, $name, $hyper,
                                                   $inputs, (ResultList){0}, $block, @$));
    }
  | TRAIN '{' steps '}' {
      $$ = parser_declaration(parser, DECLARATION_STEPS, (Ident){0}, @$);
      $$->steps = LIST(StepList, $steps);
    }
  | RUN name '{' parts '}' {
      $$ = parser_declaration(parser, DECLARATION_RUN, (Ident){0}, @$);
      $$->run = $name;
      $$->parts = LIST(RunPartList, $parts);
    }
  | stmt { $$ = parser_top_statement(parser, $stmt); }
  ;

steps
  : step                 { $$ = (StepVec){0}; vec_push(parser->arena, &$$, $step); }
  | steps[list] sep      { $$ = $list; }
  | steps[list] sep step { $$ = $list; vec_push(parser->arena, &$$, $step); }
  ;

step
  : name          { $$ = (Step){$name, NULL}; }
  | name '*' expr { $$ = (Step){$name, $expr}; }
  ;

parts
  : part                 { $$ = (RunPartVec){0}; vec_push(parser->arena, &$$, $part); }
  | parts[list] sep      { $$ = $list; }
  | parts[list] sep part { $$ = $list; vec_push(parser->arena, &$$, $part); }
  ;

part
  : names[inputs] ARROW name ARROW names[outputs] {
      $$ = (RunPart){LIST(IdentList, $inputs), LIST(IdentList, $outputs), $name, NULL, @$};
    }
  | names[inputs] ARROW name { $$ = (RunPart){.inputs = LIST(IdentList, $inputs), .entry = $name, .span = @$}; }
  | name '=' expr            { $$ = (RunPart){.entry = $name, .value = $expr, .span = @$}; }
  ;

/* ---- headers ---- */

parameters
  : '(' ')'                    { $$ = parser_parameters((ParameterVec){0}, @$); }
  | '(' parameter_list ')'     { $$ = parser_parameters($parameter_list, @$); }
  | '(' parameter_list ',' ')' { $$ = parser_parameters($parameter_list, @$); }
  ;

parameter_list
  : parameter { $$ = (ParameterVec){0}; vec_push(parser->arena, &$$, $parameter); }
  | parameter_list[list] ',' parameter { $$ = $list; vec_push(parser->arena, &$$, $parameter); }
  ;

parameter
  : name default          { $$ = (Parameter){$name, NULL, NULL, $default, @$}; }
  | name ':' type default { $$ = (Parameter){$name, $type, NULL, $default, @$}; }
  | name ':' DIM IN range default {
      Expr *dim = parser_name(parser, (Ident){intern(parser->interner, "dim"), @DIM});
      $$ = (Parameter){$name, dim, $range, $default, @$};
    }
  ;

default : %empty { $$ = NULL; } | '=' expr { $$ = $expr; } ;

results
  : %empty                    { $$ = (ResultList){0}; }
  | ARROW type {
      ResultVec one = {0};
      vec_push(parser->arena, &one, ((DeclaredResult){{0}, $type, @type}));
      $$ = (ResultList){one.items, one.count, false, @type};
    }
  | ARROW '(' result_list ')' {
      $$ = (ResultList){$result_list.items, $result_list.count, true, span_join(@2, @4)};
    }
  ;

result_list
  : result                       { $$ = (ResultVec){0}; vec_push(parser->arena, &$$, $result); }
  | result_list[list] ',' result { $$ = $list; vec_push(parser->arena, &$$, $result); }
  ;

result
  : type          { $$ = (DeclaredResult){{0}, $type, @$}; }
  | name ':' type { $$ = (DeclaredResult){$name, $type, @$}; }
  ;

type
  : name                 { $$ = parser_name(parser, $name); }
  | name '[' ']' {
      $$ = parser_items(parser, EXPR_INDEX, parser_name(parser, $name), (ExprVec){0}, @$);
    }
  | name '[' indices ']' {
      $$ = parser_items(parser, EXPR_INDEX, parser_name(parser, $name), $indices, @$);
    }
  | '[' types ']' { $$ = parser_items(parser, EXPR_LIST, NULL, $types, @$); }
  | DIM           { $$ = parser_name(parser, (Ident){intern(parser->interner, "dim"), @$}); }
  | FN            { $$ = parser_name(parser, (Ident){intern(parser->interner, "fn"), @$}); }
  | LAYER         { $$ = parser_name(parser, (Ident){intern(parser->interner, "layer"), @$}); }
  | OPTIMIZER     { $$ = parser_name(parser, (Ident){intern(parser->interner, "optimizer"), @$}); }
  ;

types
  : type                 { $$ = (ExprVec){0}; vec_push(parser->arena, &$$, $type); }
  | types[list] ',' type { $$ = $list; vec_push(parser->arena, &$$, $type); }
  ;

/* ---- statements ---- */

block
  : '{' stmts '}'       { $$ = parser_block($stmts, @$); }
  | '{' stmts stmt '}'  { if ($stmt) vec_push(parser->arena, &$stmts, $stmt); $$ = parser_block($stmts, @$); }
  | '{' stmts error '}' { yyerrok; $$ = parser_block($stmts, @$); }
  ;

stmts
  : %empty               { $$ = (StmtVec){0}; }
  | stmts[list] sep      { $$ = $list; }
  | stmts[list] stmt sep { $$ = $list; if ($stmt) vec_push(parser->arena, &$$, $stmt); }
  | stmts[list] error sep { yyerrok; $$ = $list; }
  ;

stmt
  : exprs[targets] '=' exprs[values] from {
      $$ = parser_bind(parser, $targets, $values, $from, @$);
    }
  | exprs[targets] '=' scan_head block {
      $$ = parser_scan(parser, $targets, $scan_head, $block, @$);
    }
  | scan_head block { $$ = parser_scan(parser, (ExprVec){0}, $scan_head, $block, @$); }
  | exprs[targets] WRITE exprs[values] { $$ = parser_write(parser, $targets, $values, @$); }
  | exprs { $$ = parser_call_statement(parser, $exprs, @$); }
  | PARAM path ':' type from default {
      $$ = parser_tensor(parser, STMT_PARAM, $path, $type, $from, $default, @$);
    }
  | STATE path ':' type from default {
      $$ = parser_tensor(parser, STMT_STATE, $path, $type, $from, $default, @$);
    }
  | STATE path '=' expr {
      $$ = parser_tensor(parser, STMT_STATE, $path, NULL, NULL, $expr, @$);
    }
  | RETURN       { $$ = parser_stmt(parser, STMT_RETURN, @$); }
  | RETURN exprs { $$ = parser_stmt(parser, STMT_RETURN, @$); $$->values = LIST(ExprList, $exprs); }
  | EMIT exprs   { $$ = parser_stmt(parser, STMT_EMIT, @$); $$->values = LIST(ExprList, $exprs); }
  | ASSERT expr  { $$ = parser_stmt(parser, STMT_ASSERT, @$); $$->condition = $expr; }
  | ASSERT expr[condition] ',' expr[message] {
      $$ = parser_stmt(parser, STMT_ASSERT, @$);
      $$->condition = $condition;
      $$->message = $message;
    }
  | if_chain            { $$ = $if_chain.first; }
  | if_chain ELSE block { $$ = parser_else($if_chain, $block, @$); }
  | FOR names IN expr block {
      $$ = parser_stmt(parser, STMT_FOR, @$);
      $$->names = LIST(IdentList, $names);
      $$->iterable = $expr;
      $$->body = $block;
    }
  | MINIMIZE expr[loss] WITH expr[optimizer] {
      $$ = parser_stmt(parser, STMT_MINIMIZE, @$);
      $$->loss = $loss;
      $$->optimizer = $optimizer;
    }
  | MINIMIZE expr[loss] OVER exprs WITH expr[optimizer] {
      $$ = parser_stmt(parser, STMT_MINIMIZE, @$);
      $$->loss = $loss;
      $$->values = LIST(ExprList, $exprs);
      $$->optimizer = $optimizer;
    }
  | FN name parameters results '=' expr {
      $$ = parser_stmt(parser, STMT_FUNCTION, @$);
      $$->definition = parser_definition(parser, DEFINITION_FUNCTION, $name, (ParameterList){0},
                                         $parameters, $results, (StmtList){0}, @$);
      $$->definition->value = $expr;
    }
  | FN name parameters results block {
      $$ = parser_stmt(parser, STMT_FUNCTION, @$);
      $$->definition = parser_definition(parser, DEFINITION_FUNCTION, $name, (ParameterList){0},
                                         $parameters, $results, $block, @$);
    }
  ;

if_chain
  : IF expr block                       { $$ = parser_if(parser, (IfChain){0}, $expr, $block, @$); }
  | if_chain[chain] ELSE IF expr block  { $$ = parser_if(parser, $chain, $expr, $block, span_join(@IF, @block)); }
  ;

scan_head
  : SCAN names IN exprs axis carried while {
      $$ = (ScanHead){$names, $carried, $exprs, $axis, $while};
    }
  ;

axis    : %empty { $$ = NULL; } | AXIS expr { $$ = $expr; } ;
carried : %empty { $$ = (IdentVec){0}; } | CARRY names { $$ = $names; } ;
while   : %empty { $$ = NULL; } | WHILE expr { $$ = $expr; } ;
from    : %empty { $$ = NULL; } | FROM expr { $$ = $expr; } ;

path
  : name { $$ = (IdentVec){0}; vec_push(parser->arena, &$$, $name); }
  | path[list] '.' NAME { $$ = $list; vec_push(parser->arena, &$$, ((Ident){$NAME, @NAME})); }
  ;

names
  : name                 { $$ = (IdentVec){0}; vec_push(parser->arena, &$$, $name); }
  | names[list] ',' name { $$ = $list; vec_push(parser->arena, &$$, $name); }
  ;

name
  : NAME  { $$ = (Ident){$1, @$}; }
  | IN    { $$ = (Ident){$1, @$}; }
  | AXIS  { $$ = (Ident){$1, @$}; }
  | CARRY { $$ = (Ident){$1, @$}; }
  | OVER  { $$ = (Ident){$1, @$}; }
  | WITH  { $$ = (Ident){$1, @$}; }
  | FROM  { $$ = (Ident){$1, @$}; }
  ;

/* ---- expressions, the loosest first ---- */

exprs
  : expr                 { $$ = (ExprVec){0}; vec_push(parser->arena, &$$, $expr); }
  | exprs[list] ',' expr { $$ = $list; vec_push(parser->arena, &$$, $expr); }
  ;

expr
  : ternary
  | expr[value] PIPE postfix {
      $$ = parser_parts(parser, EXPR_PIPE, $value, $postfix, NULL, @$);
      $$->op_span = @PIPE;
    }
  ;

ternary
  : or
  | or[value] IF or[condition] ELSE ternary[other] {
      $$ = parser_parts(parser, EXPR_CONDITIONAL, $value, $other, $condition, @$);
    }
  ;

or  : and | or[left] OR and[right]   { $$ = parser_binary(parser, AST_OR, $left, $right, @OR); } ;
and : not | and[left] AND not[right] { $$ = parser_binary(parser, AST_AND, $left, $right, @AND); } ;
not : comparison | NOT not[operand]  { $$ = parser_unary(parser, AST_NOT, $operand, @NOT, @$); } ;

comparison
  : range
  | range[left] comparator range[right] {
      $$ = parser_binary(parser, $comparator, $left, $right, @comparator);
    }
  ;

comparator
  : EQUAL         { $$ = AST_EQUAL; }
  | NOT_EQUAL     { $$ = AST_NOT_EQUAL; }
  | '<'           { $$ = AST_LESS; }
  | '>'           { $$ = AST_GREATER; }
  | LESS_EQUAL    { $$ = AST_LESS_EQUAL; }
  | GREATER_EQUAL { $$ = AST_GREATER_EQUAL; }
  ;

range
  : sum
  | sum[low] DOTS sum[high] { $$ = parser_parts(parser, EXPR_RANGE, $low, $high, NULL, @$); }
  ;

sum  : term  | sum[left] adder term[right]        { $$ = parser_binary(parser, $adder, $left, $right, @adder); } ;
term : unary | term[left] multiplier unary[right] { $$ = parser_binary(parser, $multiplier, $left, $right, @multiplier); } ;

adder : '+' { $$ = AST_ADD; } | '-' { $$ = AST_SUBTRACT; } ;
multiplier
  : '*' { $$ = AST_MULTIPLY; }
  | '/' { $$ = AST_DIVIDE; }
  | '%' { $$ = AST_REMAINDER; }
  | '@' { $$ = AST_MATMUL; }
  ;

unary : power   | '-' unary[operand] { $$ = parser_unary(parser, AST_NEGATE, $operand, @1, @$); } ;
power : postfix | postfix[left] '^' unary[right] { $$ = parser_binary(parser, AST_POWER, $left, $right, @2); } ;

postfix
  : atom
  | postfix[callee] '(' ')'               { $$ = parser_call(parser, $callee, (ArgumentVec){0}, @$); }
  | postfix[callee] '(' arguments ')'     { $$ = parser_call(parser, $callee, $arguments, @$); }
  | postfix[callee] '(' arguments ',' ')' { $$ = parser_call(parser, $callee, $arguments, @$); }
  | postfix[base] '[' indices ']'         { $$ = parser_items(parser, EXPR_INDEX, $base, $indices, @$); }
  | postfix[base] '.' NAME { $$ = parser_field(parser, $base, (Ident){$NAME, @NAME}, @$); }
  ;

arguments
  : argument                     { $$ = (ArgumentVec){0}; vec_push(parser->arena, &$$, $argument); }
  | arguments[list] ',' argument { $$ = $list; vec_push(parser->arena, &$$, $argument); }
  ;

argument
  : expr          { $$ = (Argument){{0}, $expr}; }
  | name '=' expr { $$ = (Argument){$name, $expr}; }
  ;

indices
  : index                   { $$ = (ExprVec){0}; vec_push(parser->arena, &$$, $index); }
  | indices[list] ',' index { $$ = $list; vec_push(parser->arena, &$$, $index); }
  ;

index
  : expr
  | ELLIPSIS { $$ = parser_expr(parser, EXPR_ELLIPSIS, @$); }
  | optional[from] ':' optional[to] { $$ = parser_parts(parser, EXPR_SLICE, $from, $to, NULL, @$); }
  | optional[from] ':' optional[to] ':' optional[step] {
      $$ = parser_parts(parser, EXPR_SLICE, $from, $to, $step, @$);
    }
  ;

optional : %empty { $$ = NULL; } | expr ;

atom
  : name    { $$ = parser_name(parser, $name); }
  | INTEGER { $$ = parser_expr(parser, EXPR_INTEGER, @$); $$->integer = $INTEGER; }
  | FLOAT   { $$ = parser_expr(parser, EXPR_FLOAT, @$); $$->number = $FLOAT; }
  | STRING  { $$ = parser_expr(parser, EXPR_STRING, @$); $$->name = $STRING; }
  | TRUE    { $$ = parser_expr(parser, EXPR_BOOL, @$); $$->integer = 1; }
  | FALSE   { $$ = parser_expr(parser, EXPR_BOOL, @$); }
  | NONE    { $$ = parser_expr(parser, EXPR_NONE, @$); }
  | '(' expr ')'      { $$ = $expr; $$->span = @$; $$->parenthesised = true; }
  | '[' ']'           { $$ = parser_items(parser, EXPR_LIST, NULL, (ExprVec){0}, @$); }
  | '[' exprs ']'     { $$ = parser_items(parser, EXPR_LIST, NULL, $exprs, @$); }
  | '[' exprs ',' ']' { $$ = parser_items(parser, EXPR_LIST, NULL, $exprs, @$); }
  | '[' expr[element] FOR names IN expr[sequence] ']' {
      $$ = parser_parts(parser, EXPR_COMPREHENSION, $element, $sequence, NULL, @$);
      $$->names = LIST(IdentList, $names);
    }
  | '{' pairs '}'     { $$ = parser_map(parser, $pairs, @$); }
  | '{' pairs ',' '}' { $$ = parser_map(parser, $pairs, @$); }
  ;

pairs
  : expr[key] ':' expr[value] {
      $$ = (PairVec){0};
      vec_push(parser->arena, &$$.keys, $key);
      vec_push(parser->arena, &$$.values, $value);
    }
  | pairs[list] ',' expr[key] ':' expr[value] {
      $$ = $list;
      vec_push(parser->arena, &$$.keys, $key);
      vec_push(parser->arena, &$$.values, $value);
    }
  ;

%%

/* What stands there and what could; syntax_error.c makes a sentence of it. */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser) {
  yysymbol_kind_t symbols[YYNTOKENS];
  const char *expected[YYNTOKENS];
  int count = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
  for (int i = 0; i < count; i++) expected[i] = yysymbol_name(symbols[i]);
  parser_syntax_error(parser, yysymbol_name(yypcontext_token(context)), expected, count);
  return 0;
}
