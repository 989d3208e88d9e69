/* The cliff of Sutton and Barto (1998, example 6.6), played by the compiled page: from the lower
 * left corner to the lower right one, along the edge of a cliff. A move costs 1, a fall 100 and
 * leads back to the start. It explores at random in a tenth of its moves, and learns from each;
 * then it walks as it has learnt. The same is computed here, to compare. */
#include "q_learning.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { ROWS = 4, COLUMNS = 12, PLACES = ROWS * COLUMNS, MOVES = 4, EPISODES = 500, LONGEST = 1000 };
enum { START = (ROWS - 1) * COLUMNS, GOAL = PLACES - 1 };

static const float rate = 0.5f;

/* xorshift (Marsaglia 2003), in [0, 1). */
static double draw(void) {
  static uint64_t x = 88172645463325252;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return (double)(x >> 11) * 0x1p-53;
}

/* Up, right, down, left; walls hold. */
static int64_t step(int64_t place, int64_t move, float *reward, uint8_t *over) {
  static const int down[MOVES] = {-1, 0, 1, 0}, right[MOVES] = {0, 1, 0, -1};
  int64_t row = place / COLUMNS + down[move], column = place % COLUMNS + right[move];
  row = row < 0 ? 0 : row >= ROWS ? ROWS - 1 : row;
  column = column < 0 ? 0 : column >= COLUMNS ? COLUMNS - 1 : column;
  int64_t next = row * COLUMNS + column;
  *over = next == GOAL;
  *reward = next > START && next < GOAL ? -100 : -1;
  return next > START && next < GOAL ? START : next;
}

static void learn(float worth[PLACES][MOVES], int64_t place, int64_t move, float reward,
                  int64_t next, bool over) {
  float best = worth[next][0];
  for (int i = 1; i < MOVES; i++) best = worth[next][i] > best ? worth[next][i] : best;
  worth[place][move] += rate * (reward + (over ? 0 : best) - worth[place][move]);
}

static int fail(q_learning_context *net, q_learning_status status) {
  fprintf(stderr, "cliff: %s: %s\n", q_learning_text(status), q_learning_detail(net));
  return 1;
}

int main(void) {
  static float other[PLACES][MOVES];
  q_learning_context *net;
  q_learning_status status = q_learning_open(&net, NULL, 1);
  if (status) return fail(NULL, status);
  if ((status = q_learning_init(net, 0))) return fail(net, status);
  int64_t place, move, next;
  float reward, value, surprise;
  uint8_t over;
  for (int episode = 0; episode < EPISODES; episode++) {
    double sum = 0;
    place = START;
    over = 0;
    for (int moves = 0; moves < LONGEST && !over; moves++, place = next) {
      if ((status = q_learning_act(net, &place, &move, &value))) return fail(net, status);
      if (draw() < 0.1) move = (int64_t)(draw() * MOVES);
      next = step(place, move, &reward, &over);
      status = q_learning_learn(net, &place, &move, &reward, &next, &over, &rate, &surprise);
      if (status) return fail(net, status);
      learn(other, place, move, reward, next, over);
      sum += (double)reward;
    }
    if (episode % 100 == 99) printf("episode %d: reward %.0f\n", episode + 1, sum);
  }

  char map[ROWS][COLUMNS + 1];
  for (int i = 0; i < PLACES; i++)
    map[i / COLUMNS][i % COLUMNS] = i > START && i < GOAL ? '~' : '.';
  for (int row = 0; row < ROWS; row++) map[row][COLUMNS] = 0;
  int moves = 0;
  for (place = START, over = 0; moves < PLACES && !over; moves++) {
    if ((status = q_learning_act(net, &place, &move, &value))) return fail(net, status);
    map[place / COLUMNS][place % COLUMNS] = "^>v<"[move];
    place = step(place, move, &reward, &over);
  }
  for (int row = 0; row < ROWS; row++) puts(map[row]);
  printf(over ? "there in %d moves\n" : "lost after %d moves\n", moves);

  q_learning_tensor worth;
  if ((status = q_learning_find(net, "worth", &worth))) return fail(net, status);
  float largest = 0;
  for (int i = 0; i < PLACES * MOVES; i++)
    largest = fmaxf(largest, fabsf(((const float *)worth.data)[i] - other[i / MOVES][i % MOVES]));
  printf("the same in C: largest difference %g\n", (double)largest);
  q_learning_close(net);
  return over && largest < 1e-4f ? 0 : 1;
}
