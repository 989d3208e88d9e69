/* emit.c - the LLVM module: its making, the passes that it goes through, and its forms. */
#include "backend/emission.h"

#include "support/bug.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

/* What each -O level does to LLVM IR that is tiled and vectorised already. Loop-invariant motion
 * pays where dims are dynamic and addresses long. */
static const char *const pipelines[] = {
    "function(sroa)",
    "function(sroa,early-cse,instcombine<no-verify-fixpoint>)",
    "function(sroa,early-cse,instcombine<no-verify-fixpoint>,loop-mssa(licm),simplifycfg)",
};
static const LLVMCodeGenOptLevel code_levels[] = {LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
                                                  LLVMCodeGenLevelDefault};

static void fatal(const char *reason) {
  bug("LLVM: %s", reason);
}

/* LLVM keeps these as options of the process. Loop strength reduction is half of the time of code
 * generation for unrolled tiles and gains nothing: their addresses are base + index + constant. */
static const char *const llvm_arguments[] = {"dlc", "--disable-lsr", "--x86-asm-syntax=intel"};

static void initialise(const Target *target) {
  static bool done;
  if (!done) {
    LLVMInstallFatalErrorHandler(fatal);
    LLVMParseCommandLineOptions(sizeof llvm_arguments / sizeof llvm_arguments[0], llvm_arguments,
                                NULL);
  }
  done = true;
  if (target->level) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    return;
  }
  LLVMInitializeAllTargetInfos();
  LLVMInitializeAllTargets();
  LLVMInitializeAllTargetMCs();
  LLVMInitializeAllAsmPrinters();
}

static void make_machine(Emission *e) {
  LLVMTargetRef target;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(e->target.triple, &target, &message))
    bug("LLVM has no target %s: %s", e->target.triple, message);
  e->machine =
      LLVMCreateTargetMachine(target, e->target.triple, e->target.base, e->target.features,
                              code_levels[e->options.level], LLVMRelocPIC, LLVMCodeModelDefault);
  if (!e->machine) bug("LLVM makes no code for %s", e->target.triple);
  LLVMSetTarget(e->module, e->target.triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(e->machine);
  LLVMSetModuleDataLayout(e->module, layout);
  LLVMDisposeTargetData(layout);
}

static void make_types(Emission *e) {
  e->pointer = LLVMPointerTypeInContext(e->context, 0);
  e->i1 = LLVMInt1TypeInContext(e->context);
  e->i8 = LLVMInt8TypeInContext(e->context);
  e->i16 = LLVMInt16TypeInContext(e->context);
  e->i32 = LLVMInt32TypeInContext(e->context);
  e->i64 = LLVMInt64TypeInContext(e->context);
  e->f32 = LLVMFloatTypeInContext(e->context);
  e->f64 = LLVMDoubleTypeInContext(e->context);
  e->half = LLVMHalfTypeInContext(e->context);
  LLVMTypeRef types[ELEMENTS] = {
      [ELEMENT_f32] = e->f32,  [ELEMENT_f64] = e->f64, [ELEMENT_f16] = e->i16,
      [ELEMENT_bf16] = e->i16, [ELEMENT_i8] = e->i8,   [ELEMENT_u8] = e->i8,
      [ELEMENT_i32] = e->i32,  [ELEMENT_i64] = e->i64, [ELEMENT_bool] = e->i1};
  memcpy(e->types, types, sizeof types);
}

static unsigned metadata_kind(Emission *e, const char *name) {
  return LLVMGetMDKindIDInContext(e->context, name, (unsigned)strlen(name));
}

Emission *emission_new(Arena *arena, const Target *target, EmitOptions options) {
  if (options.level < 0 || options.level > 2) bug("-O%d", options.level);
  Emission *e = ARENA_NEW(arena, Emission);
  e->arena = arena;
  e->target = *target;
  e->options = options;
  initialise(target);
  const char *name = options.source ? options.source : "model.dl";
  e->context = LLVMContextCreate();
  e->module = LLVMModuleCreateWithNameInContext(name, e->context);
  LLVMSetSourceFileName(e->module, name, strlen(name));
  e->builder = LLVMCreateBuilderInContext(e->context);
  make_types(e);
  e->alias_scope = metadata_kind(e, "alias.scope");
  e->noalias = metadata_kind(e, "noalias");
  e->nontemporal = metadata_kind(e, "nontemporal");
  e->invariant = metadata_kind(e, "invariant.load");
  make_machine(e);
  debug_start(e);
  return e;
}

void emission_target(Emission *e, const Target *target) {
  e->target = *target;
  e->cuts.count = 0; /* vectors are cut by the target's width */
}

void emission_free(Emission *e) {
  if (!e) return;
  if (e->debug) LLVMDisposeDIBuilder(e->debug);
  LLVMDisposeBuilder(e->builder);
  LLVMDisposeModule(e->module);
  LLVMDisposeTargetMachine(e->machine);
  LLVMContextDispose(e->context);
}

static void attribute(Emission *e, LLVMValueRef function, const char *key, const char *value) {
  LLVMAttributeRef made = LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value,
                                                    (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, made);
}

void emit_attribute(Emission *e, LLVMValueRef function, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(e->context, kind, value));
}

LLVMValueRef emit_function(Emission *e, const char *name, LLVMTypeRef type, bool is_public) {
  LLVMValueRef function = LLVMAddFunction(e->module, name, type);
  LLVMSetVisibility(function, is_public ? LLVMDefaultVisibility : LLVMHiddenVisibility);
  attribute(e, function, "no-builtins", "");
  attribute(e, function, "target-cpu", e->target.base);
  attribute(e, function, "tune-cpu", e->target.cpu);
  attribute(e, function, "target-features", e->target.features);
  if (e->target.lanes == 16) attribute(e, function, "prefer-vector-width", "512");
  emit_attribute(e, function, "nounwind", 0);
  emit_attribute(e, function, "uwtable", 2);
  return function;
}

void emit_feature(Emission *e, const char *feature) {
  const char *has = e->target.features;
  attribute(e, e->function, "target-features",
            *has ? arena_format(e->arena, "%s,%s", has, feature) : feature);
}

/* Ends the emission: what follows only reads the module. */
static void finish(Emission *e) {
  if (e->finished) return;
  e->finished = true;
  debug_finish(e);
  char *message = NULL;
  if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message))
    bug("the LLVM IR is wrong: %s", message);
  LLVMDisposeMessage(message);
}

EmitBytes emission_llvm(Emission *e) {
  finish(e);
  char *text = LLVMPrintModuleToString(e->module);
  EmitBytes bytes = {.length = strlen(text)};
  bytes.bytes = arena_string(e->arena, text, bytes.length);
  LLVMDisposeMessage(text);
  return bytes;
}

static EmitBytes compile(Emission *e, LLVMCodeGenFileType form) {
  finish(e);
  LLVMModuleRef module = LLVMCloneModule(e->module); /* code generation changes it */
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(module, pipelines[e->options.level], e->machine, options);
  if (error) bug("LLVM's passes: %s", LLVMGetErrorMessage(error));
  LLVMDisposePassBuilderOptions(options);
  LLVMMemoryBufferRef buffer;
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(e->machine, module, form, &message, &buffer))
    bug("LLVM's code generation: %s", message);
  EmitBytes bytes = {.length = LLVMGetBufferSize(buffer)};
  bytes.bytes = arena_copy(e->arena, LLVMGetBufferStart(buffer), bytes.length);
  LLVMDisposeMemoryBuffer(buffer);
  LLVMDisposeModule(module);
  return bytes;
}

EmitBytes emission_assembly(Emission *e) {
  return compile(e, LLVMAssemblyFile);
}

EmitBytes emission_object(Emission *e) {
  return compile(e, LLVMObjectFile);
}
