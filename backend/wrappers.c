/* wrappers.c - the C functions of a program: each passes its arguments on to libdlrt. What they are
 * is one table; header.c declares the same. */
#include "backend/wrappers.h"

#include "backend/interface.h"
#include "support/bug.h"

#include <string.h>

/* A type letter a parameter, the first for the result: p pointer, i int, l uint64_t, m the model's
 * table (given to dlrt alone), v nothing. `when`: A always, L if there is something to load, P with
 * parameters at run time, I if an entry gives them first values, S
 * if one does so for what models write, R if random numbers are drawn. */
typedef struct {
  const char *name, *signature;
  char when;
} Wrapper;

static const Wrapper wrappers[] = {
    {"open", "imppi", 'A'}, {"close", "vp", 'A'}, {"load", "ipp", 'L'}, {"save", "ipp", 'P'},
    {"init", "ipl", 'I'},   {"reset", "ip", 'S'}, {"count", "im", 'A'}, {"at", "ipip", 'A'},
    {"find", "ippp", 'A'},  {"seed", "vpl", 'R'}, {"text", "pi", 'A'},  {"detail", "pp", 'A'},
};

static LLVMTypeRef type_of(Emission *e, char letter) {
  switch (letter) {
  case 'v':
    return LLVMVoidTypeInContext(e->context);
  case 'i':
    return e->i32;
  case 'l':
    return e->i64;
  default:
    return e->pointer;
  }
}

static LLVMValueRef runtime_function(Emission *e, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
  return function ? function : LLVMAddFunction(e->module, name, type);
}

static void start(Emission *e, const char *name, LLVMTypeRef type) {
  e->function = emit_function(e, name, type, true);
  debug_function(e, e->function, name, (LoopPlace){0});
  LLVMPositionBuilderAtEnd(e->builder, emit_block(e, "entry"));
  debug_place(e, (LoopPlace){0});
}

static void give_back(Emission *e, LLVMValueRef value) {
  if (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVoidTypeKind)
    LLVMBuildRetVoid(e->builder);
  else
    LLVMBuildRet(e->builder, value);
}

static void emit_wrapper(Emission *e, const char *program, const Wrapper *w, LLVMValueRef model) {
  LLVMTypeRef outer[8], inner[8];
  unsigned outer_count = 0, inner_count = 0;
  for (const char *s = w->signature + 1; *s; s++) {
    inner[inner_count++] = type_of(e, *s);
    if (*s != 'm') outer[outer_count++] = type_of(e, *s);
  }
  LLVMTypeRef result = type_of(e, w->signature[0]);
  start(e, arena_format(e->arena, "%s_%s", program, w->name),
        LLVMFunctionType(result, outer, outer_count, false));
  LLVMValueRef args[8];
  unsigned next = 0;
  for (unsigned i = 0; i < inner_count; i++)
    args[i] = w->signature[i + 1] == 'm' ? model : LLVMGetParam(e->function, next++);
  LLVMTypeRef type = LLVMFunctionType(result, inner, inner_count, false);
  LLVMValueRef called = runtime_function(e, arena_format(e->arena, "dlrt_%s", w->name), type);
  LLVMValueRef value = LLVMBuildCall2(e->builder, type, called, args, inner_count, "");
  give_back(e, value);
}

/* status NAME(context, dims .., inputs .., outputs ..): three arrays and dlrt_call. */
static void emit_entry(Emission *e, const NativeProgram *p, int64_t number) {
  const ProgramEntry *entry = &p->entries.items[number];
  const Function *f = entry->function;
  int most = dim_symbol_count(p->module->dims) + (int)f->dims.count;
  const Symbol **dims = ARENA_ARRAY(e->arena, (size_t)most + 1, const Symbol *);
  int counts[] = {entry_dims(p, entry, dims), f->body->argument_count, (int)f->results.count};
  int total = 1 + counts[0] + counts[1] + counts[2];
  LLVMTypeRef *types = ARENA_ARRAY(e->arena, (size_t)total, LLVMTypeRef);
  for (int i = 0; i < total; i++) types[i] = i >= 1 && i < 1 + counts[0] ? e->i64 : e->pointer;
  start(e, entry_symbol(e->arena, p, entry),
        LLVMFunctionType(e->i32, types, (unsigned)total, false));
  LLVMValueRef args[5] = {LLVMGetParam(e->function, 0),
                          LLVMConstInt(e->i64, (uint64_t)number, false)};
  unsigned next = 1;
  for (int group = 0; group < 3; group++) {
    LLVMTypeRef element = group == 0 ? e->i64 : e->pointer;
    LLVMValueRef size = LLVMConstInt(e->i64, (unsigned)(counts[group] ? counts[group] : 1), false);
    LLVMValueRef list = LLVMBuildArrayAlloca(e->builder, element, size, "");
    for (int i = 0; i < counts[group]; i++) {
      LLVMValueRef at = LLVMConstInt(e->i64, (unsigned)i, false);
      LLVMBuildStore(e->builder, LLVMGetParam(e->function, next++),
                     LLVMBuildGEP2(e->builder, element, list, &at, 1, ""));
    }
    args[2 + group] = list;
  }
  LLVMTypeRef parameters[] = {e->pointer, e->i64, e->pointer, e->pointer, e->pointer};
  LLVMTypeRef type = LLVMFunctionType(e->i32, parameters, 5, false);
  LLVMValueRef call = runtime_function(e, "dlrt_call", type);
  give_back(e, LLVMBuildCall2(e->builder, type, call, args, 5, ""));
}

bool entry_is_called(const ProgramEntry *entry) {
  return entry->function->kind != FUNCTION_INIT;
}

bool wrapper_is_made(const NativeProgram *p, DescriptorOptions options, const char *name) {
  for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++) {
    if (strcmp(wrappers[i].name, name) != 0) continue;
    switch (wrappers[i].when) {
    case 'L':
      return program_has_variables(p) || (options.beside && p->constants_bytes > 0);
    case 'P':
      return program_has_variables(p);
    case 'R':
      return p->draws;
    case 'I':
    case 'S':
      for (size_t k = 0; k < p->entries.count; k++)
        if (!entry_is_called(&p->entries.items[k]) &&
            strcmp(p->entries.items[k].function->name, wrappers[i].name) == 0)
          return true;
      return false;
    default:
      return true;
    }
  }
  bug("no wrapper '%s'", name);
}

void emit_wrappers(Emission *e, const NativeProgram *p, DescriptorOptions options,
                   LLVMValueRef model) {
  for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++)
    if (wrapper_is_made(p, options, wrappers[i].name))
      emit_wrapper(e, p->name, &wrappers[i], model);
  for (size_t i = 0; i < p->entries.count; i++)
    if (entry_is_called(&p->entries.items[i])) emit_entry(e, p, (int64_t)i);
}

const char *const *program_symbols(Arena *arena, NativePrograms programs, DescriptorOptions options,
                                   size_t *count) {
  const NativeProgram *p = programs.items[0];
  size_t rows = sizeof wrappers / sizeof wrappers[0];
  size_t most = rows + p->entries.count + 2;
  for (size_t i = 0; i < programs.count; i++) most += programs.items[i]->kernels.count;
  const char **names = ARENA_ARRAY(arena, most, const char *);
  *count = 0;
  if (options.main) {
    names[(*count)++] = "main";
    names[(*count)++] = arena_format(arena, "%s_model", p->name);
    for (size_t n = 0; n < programs.count; n++)
      for (size_t i = 0; i < programs.items[n]->kernels.count; i++)
        names[(*count)++] = programs.items[n]->kernels.items[i]->name;
  }
  if (!options.wrappers) return names;
  for (size_t i = 0; i < rows; i++)
    if (wrapper_is_made(p, options, wrappers[i].name))
      names[(*count)++] = arena_format(arena, "%s_%s", p->name, wrappers[i].name);
  for (size_t i = 0; i < p->entries.count; i++)
    if (entry_is_called(&p->entries.items[i]))
      names[(*count)++] = entry_symbol(arena, p, &p->entries.items[i]);
  return names;
}

/* int main(int argc, char **argv) { return dlrt_main(&model, argc, argv); } */
void emit_main(Emission *e, LLVMValueRef model) {
  LLVMTypeRef outer[] = {e->i32, e->pointer}, inner[] = {e->pointer, e->i32, e->pointer};
  start(e, "main", LLVMFunctionType(e->i32, outer, 2, false));
  LLVMTypeRef type = LLVMFunctionType(e->i32, inner, 3, false);
  LLVMValueRef args[] = {model, LLVMGetParam(e->function, 0), LLVMGetParam(e->function, 1)};
  give_back(e,
            LLVMBuildCall2(e->builder, type, runtime_function(e, "dlrt_main", type), args, 3, ""));
}
