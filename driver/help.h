/* help.h - help texts, made from the tables. */
#ifndef DRIVER_HELP_H
#define DRIVER_HELP_H

#include "driver/options.h"

void help_overview(FILE *to);
void help_command(FILE *to, CommandName command);

#endif
