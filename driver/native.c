#include "driver/native.h"

#include "backend/header.h"
#include "backend/lower.h"
#include "passes/pass.h"
#include "runtime/model.h"
#include "support/sha256.h"

#include <string.h>

static const char *hex(Arena *arena, const uint8_t digest[32]) {
  char *text = arena_alloc(arena, 65);
  for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
  return text;
}

/* Of all texts that were read, in their order: the digest of their digests. */
static const char *hash_sources(Compilation *c) {
  Session *session = c->session;
  int32_t count = sources_count(session->sources);
  uint8_t(*digests)[32] = arena_array(session->arena, (size_t)count + 1, sizeof *digests);
  size_t used = 0;
  for (int32_t i = 1; i <= count; i++) {
    const Source *source = sources_get(session->sources, i);
    if (source->bytes) sha256(source->bytes, source->length, digests[used++]);
  }
  uint8_t digest[32];
  sha256(digests, used * sizeof *digests, digest);
  return hex(session->arena, digest);
}

static void list_pieces(Native *n) {
  Session *session = n->compilation->session;
  const NativeProgram *p = n->program;
  n->piece_count = p->constants.count;
  n->pieces = ARENA_ARRAY(session->arena, n->piece_count + 1, ElfPiece);
  uint64_t *hashes = ARENA_ARRAY(session->arena, n->piece_count + 1, uint64_t);
  bool beside = option_given(session->options, OPTION_weights_beside);
  for (size_t i = 0; i < p->constants.count; i++) {
    const ProgramConstant *c = &p->constants.items[i];
    n->pieces[i] = (ElfPiece){c->data, c->offset, c->bytes};
    if (beside) hashes[i] = data_digest(c->data); /* tells files beside a program apart */
  }
  uint8_t digest[32];
  sha256(hashes, n->piece_count * sizeof *hashes, digest);
  n->constants_hash = p->constants.count && beside ? hex(session->arena, digest) : "";
}

/* Text may elide data, which a file beside it has. */
static bool is_there(const Compilation *c, const char *name, Data *data, Span span) {
  if (data_is_known(data) || data->count == 0) return true;
  Arena *arena = c->session->arena;
  Diagnostic *d =
      diag_report(c->session->diagnostics, E0803, span, "the text elides %s, and no file has it",
                  name ? arena_format(arena, "the data of '@%s'", name)
                       : arena_format(arena, "the %lld numbers of %s", (long long)data->count,
                                      data_hash(arena, data)));
  diag_help(
      d,
      "'dlc dump -o NAME.ir' writes what it elides into NAME.ir.safetensors: keep both together");
  return false;
}

static bool block_is_possible(const Compilation *c, const Block *block, int loops) {
  bool possible = true;
  for (const Op *op = block->first; op; op = op->next) {
    if (op->kind == OP_constant)
      possible = is_there(c, NULL, (Data *)op_attribute(op, ATTRIBUTE_value)->data,
                          op->at ? op->at->span : SPAN_NONE) &&
                 possible;
    if (op->kind != OP_scan) continue;
    if (loops == DLRT_LOOPS) {
      diag_report(c->session->diagnostics, E0650, op->at ? op->at->span : SPAN_NONE,
                  "more than %d scans in each other cannot be compiled", DLRT_LOOPS);
      return false;
    }
    possible = block_is_possible(c, op->region, loops + 1) && possible;
  }
  return possible;
}

bool native_is_possible(const Compilation *c) {
  bool possible = true;
  for (size_t i = 0; i < c->module->tensors.count; i++) {
    const Tensor *tensor = c->module->tensors.items[i];
    if (tensor->data) possible = is_there(c, tensor->name, tensor->data, SPAN_NONE) && possible;
  }
  for (size_t i = 0; i < c->module->functions.count; i++)
    possible = block_is_possible(c, c->module->functions.items[i]->body, 0) && possible;
  return possible;
}

Native native_new(Compilation *c) {
  Arena *arena = c->session->arena;
  Native n = {.compilation = c};
  passes_running.pass = NULL;
  double start = now_ms();
  n.symbol = c_name(arena, option_text(c->session->options, OPTION_name, c->name));
  n.programs = lower_all(arena, c->module, c->targets, c->target_count, n.symbol);
  n.program = n.programs.items[0];
  const char *slash = strrchr(c->path, '/');
  n.source = slash ? slash + 1 : c->path;
  n.source_hash = hash_sources(c);
  list_pieces(&n);
  n.lower_ms = now_ms() - start;
  return n;
}

DescriptorOptions native_descriptor(const Native *n, NativeOptions options) {
  return (DescriptorOptions){.source = n->source,
                             .source_hash = n->source_hash,
                             .constants_hash = n->constants_hash,
                             .beside = options.beside,
                             .thread_limit = n->compilation->passes.threads,
                             .wrappers = options.wrappers,
                             .main = options.main,
                             .inputs = n->compilation->notes.inputs,
                             .classes = n->compilation->notes.classes,
                             .vocabulary = n->compilation->notes.vocabulary};
}

EmitBytes native_emit(Native *n, NativeOptions options) {
  Compilation *c = n->compilation;
  double start = now_ms();
  Emission *e = emission_new(c->session->arena, &c->target,
                             (EmitOptions){.source = n->source,
                                           .level = c->passes.level,
                                           .public_kernels = options.public_kernels});
  emit_programs(e, n->programs, native_descriptor(n, options));
  n->llvm_ms += now_ms() - start;
  start = now_ms();
  EmitBytes bytes = options.form == NATIVE_ASSEMBLY ? emission_assembly(e)
                    : options.form == NATIVE_LLVM   ? emission_llvm(e)
                                                    : emission_object(e);
  emission_free(e);
  n->object_ms += now_ms() - start;
  return bytes;
}
