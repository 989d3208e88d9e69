/* info: what this program is. */
#include "runtime/element.h"
#include "runtime/json.h"
#include "runtime/program.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One more library that the program runs with: "libc", of ".../libc.so.6". */
static int add_library(struct dl_phdr_info *library, size_t size, void *text) {
  (void)size;
  const char *slash = strrchr(library->dlpi_name, '/');
  const char *dot = slash ? strstr(slash, ".so") : NULL;
  size_t used = strlen(text);
  if (!dot || strncmp(slash, "/ld-", 4) == 0) return 0;
  snprintf((char *)text + used, 200 - used, "%s%.*s", used ? ", " : "", (int)(dot - slash - 1),
           slash + 1);
  return 0;
}

static int64_t count_of(const dlrt_tensor *tensor) {
  int64_t count = 1;
  for (int64_t i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
  return count;
}

/* Of a call with every dim at its least. */
static double flop_of_row(const dlrt_model *model, const dlrt_entry *entry) {
  int64_t *dims = malloc(((size_t)model->dim_count + 1) * sizeof *dims);
  double flop = 0, bytes;
  for (int64_t d = 0; dims && d < model->dim_count; d++) dims[d] = model->dims[d].min;
  for (int64_t i = 0; dims && i < entry->step_count; i++)
    flop += dlrt_step_work(&entry->steps[i], dims, &bytes);
  free(dims);
  return flop;
}

static void print_text(const dlrt_program *program, int64_t numbers, int64_t bytes, int64_t tensors,
                       int64_t states, const char *libraries) {
  const dlrt_model *model = program->model;
  for (int64_t e = 0; e < model->entry_count; e++) {
    const dlrt_entry *entry = &model->entries[e];
    if (entry->kind != DLRT_MODEL_ENTRY && entry->kind != DLRT_TRAIN_ENTRY) continue;
    printf("%-8s %s   ", entry->kind == DLRT_MODEL_ENTRY ? "model" : "train", entry->name);
    dlrt_signature(entry, stdout);
    char room[40];
    const char *optimizer = dlrt_optimizer(model, entry, room, sizeof room);
    if (*optimizer) printf("   %s", optimizer);
    double flop = flop_of_row(model, entry);
    if (flop > 0) {
      bool rows = entry->dim_count > 0;
      if (flop >= 1e9)
        printf("   %.3f GFLOP%s", flop / 1e9, rows ? " a row" : "");
      else
        printf("   %.3f MFLOP%s", flop / 1e6, rows ? " a row" : "");
    }
    putchar('\n');
  }
  for (int64_t d = 0; d < model->dim_count; d++)
    printf("dim      %s is %lld to %lld\n", model->dims[d].name, (long long)model->dims[d].min,
           (long long)model->dims[d].max);
  if (tensors || states)
    printf("weights  none inside; %s parameters in %s tensors, %s\n", dlrt_thousands(numbers),
           dlrt_thousands(tensors), dlrt_bytes_text((double)bytes));
  else if (model->constants_bytes)
    printf("weights  %s, %s\n", model->constants ? "inside" : "beside the program",
           dlrt_bytes_text((double)model->constants_bytes));
  else
    puts("weights  none");
  if (model->small_count) {
    printf("stored   %s weight%s as %s, %s; ", dlrt_thousands(model->small_count),
           model->small_count == 1 ? "" : "s", model->small_type,
           dlrt_bytes_text((double)model->small_bytes));
    enum { BF16 = 5 }; /* the level that products of pairs need, and nothing else */
    printf("in f32 %s; %s\n", dlrt_bytes_text((double)model->small_was),
           model->cpu_level == BF16 ? "multiplied by pairs, summed in f32"
                                    : "computed with in f32");
  }
  if (*model->inputs) printf("inputs   %s\n", model->inputs);
  if (*model->classes) printf("classes  %s\n", model->classes);
  if (states) printf("states   %s tensors\n", dlrt_thousands(states));
  printf("memory   %s a context: arena %s", dlrt_bytes_text((double)dlrt_context_size(model, 1)),
         dlrt_bytes_text((double)model->arena_bytes));
  int64_t kinds[DLRT_MEMORY + 1] = {0};
  for (int64_t i = 0; i < model->tensor_count; i++)
    if (model->tensors[i].offset >= 0 && model->tensors[i].kind <= DLRT_MEMORY)
      kinds[model->tensors[i].kind] += DLRT_ROUND(model->tensors[i].bytes);
  static const char *const names[] = {"parameters", "states", "optimizer", "memory"};
  for (int k = DLRT_MEMORY; k >= 0; k--)
    if (kinds[k]) printf(", %s %s", names[k], dlrt_bytes_text((double)kinds[k]));
  if (model->scratch_bytes)
    printf(", scratch %s a thread", dlrt_bytes_text((double)model->scratch_bytes));
  if (model->trip_bytes)
    printf(", maps of a few pictures %s a thread", dlrt_bytes_text((double)model->trip_bytes));
  putchar('\n');
  struct stat about;
  printf("program  ");
  if (stat("/proc/self/exe", &about) == 0) printf("%s, ", dlrt_bytes_text((double)about.st_size));
  char cpus[DLRT_CPUS_ROOM];
  dlrt_cpus_text(program->built, cpus);
  printf("%s; needs %s; %s sha256 %.8s\n", cpus, *libraries ? libraries : "no library",
         model->source, model->source_hash);
  if (program->built->lower) printf("runs     the code for %s\n", model->cpu);
}

static void print_json_ports(const char *name, const dlrt_port *ports, int64_t count) {
  printf("\"%s\":[", name);
  for (int64_t i = 0; i < count; i++)
    printf("%s{\"name\":\"%s\",\"type\":\"%s\"}", i ? "," : "", ports[i].name, ports[i].type);
  putchar(']');
}

static void print_json(const dlrt_program *program, int64_t numbers, int64_t bytes,
                       int64_t tensors) {
  const dlrt_model *model = program->model;
  printf("{\"model\":\"%s\",\"source\":", model->name);
  dlrt_json_put(stdout, model->source);
  printf(",\"sha256\":\"%s\",\"dlc\":\"%s\",\"cpu\":\"%s\",\"cpus\":[", model->source_hash,
         model->version, model->cpu);
  for (const dlrt_model *m = program->built; m; m = m->lower)
    printf("%s\"%s\"", m == program->built ? "" : ",", m->cpu);
  printf("],\"dims\":[");
  for (int64_t d = 0; d < model->dim_count; d++)
    printf("%s{\"name\":\"%s\",\"min\":%lld,\"max\":%lld}", d ? "," : "", model->dims[d].name,
           (long long)model->dims[d].min, (long long)model->dims[d].max);
  printf("],\"entries\":[");
  for (int64_t e = 0, shown = 0; e < model->entry_count; e++) {
    const dlrt_entry *entry = &model->entries[e];
    if (entry->kind == DLRT_INIT_ENTRY) continue;
    static const char *const kinds[] = {"model", "train", "init", "value"};
    printf("%s{\"name\":\"%s\",\"kind\":\"%s\",\"flop\":%lld,", shown++ ? "," : "", entry->name,
           kinds[entry->kind & 3], (long long)flop_of_row(model, entry));
    print_json_ports("inputs", entry->inputs, entry->input_count);
    putchar(',');
    print_json_ports("outputs", entry->outputs, entry->output_count);
    putchar('}');
  }
  printf("],\"parameters\":{\"tensors\":%lld,\"numbers\":%lld,\"bytes\":%lld},"
         "\"stored\":{\"type\":\"%s\",\"tensors\":%lld,\"bytes\":%lld,\"f32\":%lld},"
         "\"constants\":%lld,\"context\":%zu,\"arena\":%lld,\"scratch\":%lld,\"trip\":%lld}\n",
         (long long)tensors, (long long)numbers, (long long)bytes,
         model->small_count ? model->small_type : "f32", (long long)model->small_count,
         (long long)model->small_bytes, (long long)model->small_was,
         (long long)model->constants_bytes, dlrt_context_size(model, 1),
         (long long)model->arena_bytes, (long long)model->scratch_bytes,
         (long long)model->trip_bytes);
}

int dlrt_info(dlrt_program *program) {
  const dlrt_model *model = program->model;
  int64_t numbers = 0, bytes = 0, tensors = 0, states = 0;
  for (int64_t i = 0; i < model->tensor_count; i++) {
    const dlrt_tensor *tensor = &model->tensors[i];
    if (tensor->offset < 0) continue;
    states += tensor->kind == DLRT_STATE;
    if (tensor->kind != DLRT_PARAMETER) continue;
    tensors++;
    numbers += count_of(tensor);
    bytes += tensor->bytes;
  }
  char libraries[200] = "";
  dl_iterate_phdr(add_library, libraries);
  if (program->json)
    print_json(program, numbers, bytes, tensors);
  else
    print_text(program, numbers, bytes, tensors, states, libraries);
  return 0;
}
