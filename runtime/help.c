#include "runtime/element.h"
#include "runtime/program.h"

#include <string.h>

static bool is_shown(const dlrt_entry *entry) {
  return entry->kind == DLRT_MODEL_ENTRY || entry->kind == DLRT_TRAIN_ENTRY;
}

/* "adam", of the state "fit.adam_0.conv2d_0.weight.m" that the step 'fit' keeps; "": none. */
const char *dlrt_optimizer(const dlrt_model *model, const dlrt_entry *entry, char *room,
                           size_t size) {
  size_t length = strlen(entry->name);
  room[0] = 0;
  for (int64_t i = 0; i < model->tensor_count && !room[0]; i++) {
    const char *name = model->tensors[i].name;
    if (model->tensors[i].kind != DLRT_OPTIMIZER || strncmp(name, entry->name, length) ||
        name[length] != '.')
      continue;
    name += length + 1;
    size_t end = strcspn(name, "."), mark = end;
    while (mark > 0 && name[mark - 1] >= '0' && name[mark - 1] <= '9') mark--;
    if (mark > 1 && mark < end && name[mark - 1] == '_') end = mark - 1;
    snprintf(room, size, "%.*s", (int)end, name);
  }
  return room;
}

static void print_ports(const dlrt_port *ports, int64_t count, FILE *to) {
  for (int64_t i = 0; i < count; i++)
    fprintf(to, "%s%s %s", i ? ", " : "", ports[i].name, ports[i].type);
}

void dlrt_signature(const dlrt_entry *entry, FILE *to) {
  print_ports(entry->inputs, entry->input_count, to);
  fputs(entry->input_count ? " -> " : "-> ", to);
  print_ports(entry->outputs, entry->output_count, to);
}

static bool seen(const dlrt_model *model, int64_t entry, const char *name) {
  for (int64_t e = 0; e < entry; e++)
    for (int64_t i = 0; i < model->entries[e].input_count; i++)
      if (strcmp(model->entries[e].inputs[i].name, name) == 0) return true;
  return false;
}

static void print_input(const dlrt_model *model, const dlrt_port *port, int name, int type,
                        FILE *to) {
  bool is_float = dlrt_element_is_float(port->element);
  fprintf(to, "  %-*s  %-*s  ", name, port->name, type, port->type);
  if (!port->rank)
    fputs("a number, or a file of one\n", to);
  else if (model->texts && port->rank == 2 && port->element == DLRT_I64)
    fputs("a text, +K: the same K tokens on; .npy .npz .idx .csv .raw, or .gz\n", to);
  else if (is_float && port->rank >= 2)
    fputs(".npy .npz .idx .csv .raw .pgm .ppm .png, or .gz; u8 is divided by 255\n", to);
  else
    fprintf(to, ".npy .npz .idx .csv .raw, or .gz%s\n", is_float ? "; u8 is divided by 255" : "");
}

/* generate "TEXT": token -> next -> token */
static void print_run(const dlrt_model *model, const dlrt_run_plan *run, FILE *to) {
  fprintf(to, "  %-8s \"TEXT\"  ->", run->name);
  for (int64_t i = 0; i < run->line_count; i++)
    fprintf(to, " %s%s", model->entries[run->lines[i].entry].name,
            i == run->repeated        ? " again and again"
            : i + 1 < run->line_count ? ","
                                      : "");
  fputc('\n', to);
}

void dlrt_help(const dlrt_program *program, FILE *to) {
  const dlrt_model *model = program->model;
  const dlrt_model *runs = dlrt_level_wanted(program);
  char cpus[DLRT_CPUS_ROOM];
  dlrt_cpus_text(program->built, cpus);
  fprintf(to, "%s - a neural network, compiled by dlc %s from %s for %s", model->name,
          model->version, model->source, cpus);
  if (!runs)
    fputs(", which this machine is not\n", to);
  else
    fprintf(to, model->lower ? "; %s runs\n" : "\n", runs->cpu);
  fprintf(to, "usage: %s COMMAND [input=FILE ...] [options]\n\n", program->path);
  int name = 4, type = 4;
  for (int64_t e = 0; e < model->entry_count; e++) {
    const dlrt_entry *entry = &model->entries[e];
    if (!is_shown(entry)) continue;
    bool trains = entry->kind == DLRT_TRAIN_ENTRY;
    fputs(trains ? "  train   " : "  predict ", to);
    for (int64_t i = 0; i < entry->input_count; i++) {
      const dlrt_port *port = &entry->inputs[i];
      fprintf(to, " %s=%s", port->name, port->rank ? "FILE" : "X");
      if ((int)strlen(port->name) > name) name = (int)strlen(port->name);
      if ((int)strlen(port->type) > type) type = (int)strlen(port->type);
    }
    fputs("  -> ", to);
    print_ports(entry->outputs, entry->output_count, to);
    char room[40];
    const char *optimizer = dlrt_optimizer(model, entry, room, sizeof room);
    fprintf(to, "   run the %s '%s'%s%s\n", trains ? "step" : "model", entry->name,
            *optimizer ? ", " : "", optimizer);
  }
  for (int64_t i = 0; i < model->run_count; i++) print_run(model, &model->runs[i], to);
  fputs("  info     bench     profile   about this program; its speed; time of each operation\n\n",
        to);
  if (model->small_count)
    fprintf(to, "  %s of the weights are stored as %s, %s\n\n", dlrt_thousands(model->small_count),
            model->small_type, dlrt_bytes_text((double)model->small_bytes));
  for (int64_t e = 0; e < model->entry_count; e++)
    for (int64_t i = 0; i < model->entries[e].input_count; i++)
      if (is_shown(&model->entries[e]) && !seen(model, e, model->entries[e].inputs[i].name))
        print_input(model, &model->entries[e].inputs[i], name, type, to);
  for (int64_t d = 0; d < model->dim_count; d++)
    if (model->dims[d].min == model->dims[d].max)
      fprintf(to, "  %-*s  %lld a call\n", name, model->dims[d].name,
              (long long)model->dims[d].min);
    else
      fprintf(to, "  %-*s  %lld to %lld a call%s\n", name, model->dims[d].name,
              (long long)model->dims[d].min, (long long)model->dims[d].max,
              d == 0 ? "; files of any length go through in batches of rows" : "");
  fputs("\n  all but info\n", to);
  dlrt_options_print(to, DLRT_COMMANDS_CALLING);
  dlrt_options_print(to, DLRT_COMMANDS_BATCHED);
  if (model->draws || model->train || model->run_count)
    dlrt_options_print(to, DLRT_COMMANDS_CALLING | COMMAND_DRAWS);
  fputs(model->train ? "  predict, train\n" : "  predict\n", to);
  dlrt_options_print(to, COMMAND_PREDICT | COMMAND_TRAIN);
  if (model->texts)
    dlrt_options_print(to, COMMAND_PREDICT | COMMAND_TRAIN | COMMAND_RUN | COMMAND_TEXT);
  if (model->train) fputs("  predict\n", to);
  dlrt_options_print(to, COMMAND_PREDICT);
  dlrt_options_print(to, COMMAND_PREDICT | COMMAND_RUN);
  if (model->train) {
    fputs("  train\n", to);
    dlrt_options_print(to, COMMAND_TRAIN);
    if (model->texts) dlrt_options_print(to, COMMAND_TRAIN | COMMAND_TEXT);
  }
  if (model->run_count) {
    fputs("  runs\n", to);
    dlrt_options_print(to, COMMAND_RUN);
  }
  fputs("  profile\n", to);
  dlrt_options_print(to, COMMAND_PROFILE);
  fputs("  all\n", to);
  dlrt_options_print(to, DLRT_COMMANDS);
  dlrt_options_print(to, DLRT_COMMANDS_BATCHED | COMMAND_INFO);
}
