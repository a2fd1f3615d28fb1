/* The step of the pen networks (Graves 2013, arXiv:1308.0850) for some lines at a time, from the last point to the
   next: what `SynthesisNetwork.step`, `PredictionNetwork.step` and `strokesynth.nn.mixture.sample` do in torch.

   Every number is a sum over the inputs in one order, whichever lines share the batch and however many threads there
   are, so that a line is the same bit for bit whatever is written beside it.

   Units are taken in panels: those of one vector, with their four gates side by side, so that a panel's sums are all
   that its cells need. Weights lie in the order in which they are read: panel, input, gate, unit. Panels times tiles
   of up to ROWS lines are shared out between threads; a panel's weights come from memory once for all its tiles.

   What a letter in the window adds to the gates is a row of memory: of the weights, the same for all lines, or, where
   each line is in a hand of its own, of letter and style folded into one (`strokesynth_fold`), beside biases of its own.
   So a line takes the same sums in either case, only from other memory.

   Compiled with -DHALF=1 the weights are float16, half the memory to stream and exactly what weights files hold; what
   styles are folded into is rounded to float16. Sums and states are float32 in either case. */

#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#else
#define PAUSE() ((void)0)
#endif

/* ROWS * 4 sums and four weights stay in the registers of the processor. */
#if defined(__AVX512F__)
#define LANES 16
#define ROWS 6
#elif defined(__AVX__)
#define LANES 8
#define ROWS 2
#elif defined(__aarch64__)
#define LANES 4
#define ROWS 6
#else
#define LANES 4
#define ROWS 2
#endif
enum { GATES = 4, WIDTH = GATES * LANES, LAYERS = 3, PEN = 3, MOST_THREADS = 16, SPINS = 2000 };
enum { CHUNK = 64, AHEAD = 8192, NONE = INT32_MAX };

#define LOG_SIGMA_FLOOR -7.0f /* as in nn/mixture.py */
#define UNSEEN 1e-9f          /* a weight of the window that is lost in rounding */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(float *to, vec v) { memcpy(to, &v, sizeof v); }

INLINE vec all(float value) { return value - (vec){0}; }

#if HALF
typedef uint16_t weight;
#if defined(__AVX512F__)
INLINE vec widen(const weight *from) { return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from)); }
INLINE void narrow(weight *to, vec v) { _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)v, 0)); }
#elif defined(__F16C__)
INLINE vec widen(const weight *from) { return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from)); }
INLINE void narrow(weight *to, vec v) { _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)v, 0)); }
#elif defined(__aarch64__)
typedef __fp16 half_vec __attribute__((vector_size(2 * LANES)));
INLINE vec widen(const weight *from)
{
    half_vec v;
    memcpy(&v, from, sizeof v);
    return __builtin_convertvector(v, vec);
}
INLINE void narrow(weight *to, vec v)
{
    half_vec h = __builtin_convertvector(v, half_vec);
    memcpy(to, &h, sizeof h);
}
#else
#error "this processor does not convert float16"
#endif
#else
typedef float weight;
INLINE vec widen(const weight *from) { return load(from); }
INLINE void narrow(weight *to, vec v) { store(to, v); }
#endif

/* --- what Python fills in: the same fields in nn/kernel/writer.py ------------------------------------------------- */

typedef struct {
    const weight *weights; /* (panels, inputs, WIDTH) */
    int32_t panels;
    int32_t inputs;
    int64_t before; /* panels of the products before it, in the order of Network */
} Product;

typedef struct {
    int32_t units;          /* of a layer */
    int32_t gaussians;      /* of the window */
    int32_t components;     /* of the mixture */
    const float *mean;      /* (2,) of the offsets */
    const float *deviation; /* (2,) */
    Product layers[LAYERS]; /* inputs: own output of the step before, layer below, pen */
    Product to_window;      /* of the first layer; rows alpha, beta, advance (eqs 48-51) */
    Product to_mixture;     /* of all layers (eq 17) */
} Network;

typedef struct {
    int32_t lines;
    int32_t places;         /* in the longest text */
    int32_t letters;        /* that the window can see in a line, at most; 0 in the prediction network */
    int32_t kinds;          /* of letters: `letters` where all lines share them, else those of all lines together */
    int32_t hands;          /* that have biases: 1, or one for each line */
    int64_t step;           /* steps done */
    int64_t drawn;          /* points drawn */
    float *hidden;          /* (lines, 2, LAYERS, units of all panels): of even and of odd steps */
    float *cells;           /* (lines, LAYERS, units of all panels) */
    float *points;          /* (lines, PEN) the last, in x-heights */
    float *kappa;           /* (lines, gaussians) */
    int32_t *seen;          /* (lines,) how many letters are in the window */
    int32_t *which;         /* (lines, letters) which */
    float *outside;         /* (lines, PEN + letters) standardised point, weights of the letters seen (eq 47) */
    float *window;          /* (lines, sums of `to_window`) */
    float *outputs;         /* (lines, sums of `to_mixture`) */
    const weight *adding;   /* (LAYERS, panels, kinds, WIDTH) what letters add to the gates */
    const float *biases;    /* (panels of all products, hands, WIDTH) */
    const int32_t *first;   /* (lines,) which of the kinds is letter 0 of each line */
    const int32_t *text;    /* (lines, places) letters, -1 for none */
    const int32_t *lengths; /* (lines,) places of each text, 0 without text */
    const int64_t *least;   /* (lines,) points before which a line does not end */
    const int64_t *limits;  /* (lines,) points after which it is given up */
    const float *bias;      /* (lines,) */
    int32_t *at_end;        /* (lines,) whether the window is on the last place, more than on any other; or 1 */
    int32_t *state;         /* (lines,) as below */
} Batch;

enum { WRITING, FINISHED, GIVEN_UP };

typedef struct {
    int32_t steps;
    int32_t threads;
    const float *given;   /* (steps, PEN) the points to come, the same in all lines; NULL to draw them */
    const float *noise;   /* (lines, steps, 4) uniform on [0, 1) */
    float *drawn;         /* (lines, steps, PEN) */
    float *phi;           /* (lines, steps, places) the window's weights before each of these points (eq 46) */
    int32_t *counts;      /* (lines,) points drawn in this block */
    int32_t *active;      /* (lines,) scratch */
    float *scratch;       /* (threads, scratch_size) */
    int64_t scratch_size; /* strokesynth_scratch_size(lines) */
} Block;

int32_t strokesynth_lanes(void) { return LANES; }

/* Floats for each thread: weights made float32, and the sums of all tiles, of which some are not full. */
int64_t strokesynth_scratch_size(int64_t lines) { return (CHUNK + lines + ROWS) * WIDTH; }

/* --- elementwise functions ---------------------------------------------------------------------------------------- */

INLINE vec clamp(vec x, float low, float high)
{
    ivec under = x < all(low), over = x > all(high);
    return (vec)(((ivec)x & ~(under | over)) | ((ivec)all(low) & under) | ((ivec)all(high) & over));
}

/* e^x = scale * (1 + part) for |x| < 87; the smaller |x|, the smaller is part, to full relative precision. */
INLINE vec exp_parts(vec x, vec *scale)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    vec shifted = x * 1.44269504f + magic;
    vec n = shifted - magic;
    *scale = (vec)(((ivec)shifted - (ivec)all(magic) + 127) << 23);
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f; /* log 2 in two parts */
    vec p = 1.9875691500e-4f * r + 1.3981999507e-3f;   /* Cephes expf */
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * r * r + r;
}

INLINE vec exponential(vec x)
{
    vec scale, part = exp_parts(clamp(x, -87.0f, 87.0f), &scale);
    return scale * part + scale;
}

INLINE vec one_plus_exp(vec x) /* which 1 / sigmoid(-x) is */
{
    vec scale, part = exp_parts(clamp(x, -20.0f, 20.0f), &scale);
    return scale * part + scale + 1.0f;
}

INLINE vec exp_minus_one(vec x)
{
    vec scale, part = exp_parts(clamp(x, -20.0f, 20.0f), &scale);
    return scale * part + (scale - 1.0f);
}

/* --- threads ------------------------------------------------------------------------------------------------------

   The caller's thread leads: phase by phase it publishes a job of independent items, which all threads claim one by
   one.
   A phase ends when its items are done, not when all threads have come by, so that one that has lost its processor
   holds up nobody unless it is in the middle of an item. Who did what leaves no trace in the numbers. */

typedef struct Team Team;
typedef void Item(const Team *, int number, float *scratch);

struct Team {
    const Network *network;
    Batch *batch;
    const Block *block;
    int32_t *line; /* those being written */
    int lines;
    int at; /* the step within the block */
    /* the job */
    Item *item;
    int layer;
    _Atomic uint64_t claims; /* number of the phase, items, items claimed: 16, 24 and 24 bits */
    atomic_int done;
    atomic_int over;
};

#define ITEMS(claims) ((int)((claims) >> 24 & 0xffffff))
#define CLAIMED(claims) ((int)((claims) & 0xffffff))

static int help(Team *team, float *scratch)
{
    uint64_t claims = atomic_load(&team->claims);
    if (CLAIMED(claims) == ITEMS(claims) || !atomic_compare_exchange_strong(&team->claims, &claims, claims + 1))
        return 0;
    team->item(team, CLAIMED(claims), scratch); /* the job stays until this is done */
    atomic_fetch_add(&team->done, 1);
    return 1;
}

static void rest(int *idle)
{
    if (++*idle < SPINS)
        PAUSE();
    else /* whoever is waited for may have lost its processor, maybe to us */
        sched_yield();
}

typedef struct {
    Team *team;
    float *scratch;
    pthread_t thread;
} Helper;

static void *helper(void *argument)
{
    Helper *me = argument;
    for (int idle = 0; !atomic_load(&me->team->over);)
        if (help(me->team, me->scratch))
            idle = 0;
        else
            rest(&idle);
    return NULL;
}

static void lead(Team *team, Item *item, int items)
{
    float *scratch = team->block->scratch;
    int idle = 0;
    if (items == 1) {
        item(team, 0, scratch);
        return;
    }
    team->item = item;
    atomic_store(&team->done, 0);
    uint64_t phase = (atomic_load(&team->claims) >> 48) + 1;
    atomic_store(&team->claims, phase << 48 | (uint64_t)items << 24);
    while (atomic_load(&team->done) < items)
        if (!help(team, scratch))
            rest(&idle);
}

/* Lines are taken in tiles of about equal size. */
static inline int tiles(const Team *team) { return (team->lines + ROWS - 1) / ROWS; }

static inline const int32_t *tile(const Team *team, int number, int *count)
{
    int first = team->lines * number / tiles(team);
    *count = team->lines * (number + 1) / tiles(team) - first;
    return team->line + first;
}

/* --- products ----------------------------------------------------------------------------------------------------- */

typedef float Sums[ROWS][GATES][LANES]; /* of a tile */

enum { NARROW, WIDENING, WIDE };

typedef struct {
    const weight *weights; /* (inputs, WIDTH) */
    float *wide;           /* the same in float32, where many tiles want them: the first of them makes them */
    const char *soon;      /* memory that will be wanted next, and how much of it for each input */
    int64_t stride;
} Source;

INLINE vec read(const Source *from, int mode, int64_t at)
{
    vec w = mode == WIDE ? load(from->wide + at) : widen(from->weights + at);
    if (mode == WIDENING)
        store(from->wide + at, w);
    return w;
}

/* For each line, inputs `in` times weights. `rows` and `mode` are constants where this is inlined, so that the sums are
   registers. */
INLINE void add_tile(Sums sums, int rows, const Source *from, int mode, const float *const *in, int inputs)
{
    vec sum[ROWS][GATES];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < GATES; g++)
            sum[r][g] = load(sums[r][g]);
    const char *soon = from->soon;
    for (int64_t k = 0; k < inputs; k++, soon += from->stride) {
        vec w0 = read(from, mode, k * WIDTH), w1 = read(from, mode, k * WIDTH + LANES);
        vec w2 = read(from, mode, k * WIDTH + 2 * LANES), w3 = read(from, mode, k * WIDTH + 3 * LANES);
        __builtin_prefetch(soon);
        if (mode == NARROW)
            for (int byte = 64; byte < WIDTH * (int)sizeof(weight); byte += 64)
                __builtin_prefetch(soon + byte);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            float x = in[r][k];
            sum[r][0] += w0 * x;
            sum[r][1] += w1 * x;
            sum[r][2] += w2 * x;
            sum[r][3] += w3 * x;
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        for (int g = 0; g < GATES; g++)
            store(sums[r][g], sum[r][g]);
}

#define WITH_ROWS(n)                                       \
    case n:                                                \
        if (mode == WIDE)                                  \
            add_tile(sums, n, from, WIDE, in, inputs);     \
        else if (mode == WIDENING)                         \
            add_tile(sums, n, from, WIDENING, in, inputs); \
        else                                               \
            add_tile(sums, n, from, NARROW, in, inputs);   \
        break;

static void add_rows(int rows, Sums sums, const Source *from, int mode, const float *const *in, int inputs)
{
    switch (rows) {
        WITH_ROWS(1)
        WITH_ROWS(2)
#if ROWS > 2
        WITH_ROWS(3)
        WITH_ROWS(4)
        WITH_ROWS(5)
        WITH_ROWS(6)
#endif
    }
}

static inline float *hidden(const Team *team, int64_t step, int layer, int line)
{
    int64_t stride = team->network->layers[0].panels * LANES;
    return team->batch->hidden + ((line * INT64_C(2) + (step & 1)) * LAYERS + layer) * stride;
}

static inline float *cells_of(const Team *team, int layer, int line)
{
    int64_t stride = team->network->layers[0].panels * LANES;
    return team->batch->cells + ((int64_t)line * LAYERS + layer) * stride;
}

/* What the letters of a line add to a panel: (letters, WIDTH). Panels are counted through all layers. */
static inline const weight *letters_of(const Team *team, int64_t panel, int line)
{
    const Batch *b = team->batch;
    return b->adding + (panel * b->kinds + b->first[line]) * WIDTH;
}

/* The bias and, in a layer, the few inputs from outside the layers times their weights. */
static void start_sums(const Team *team, Sums sums, const int32_t *line, int rows, const Product *p, int layer,
                       int panel)
{
    const Batch *b = team->batch;
    const weight *pen = p->weights + ((int64_t)(panel + 1) * p->inputs - PEN) * WIDTH;
    for (int r = 0; r < rows; r++) {
        vec sum[GATES];
        const float *bias = b->biases + ((p->before + panel) * b->hands + (b->hands > 1 ? line[r] : 0)) * WIDTH;
        for (int g = 0; g < GATES; g++)
            sum[g] = load(bias + g * LANES);
        if (layer < LAYERS) {
            const float *outside = b->outside + (int64_t)line[r] * (PEN + b->letters);
            for (int k = 0; k < PEN; k++)
                for (int g = 0; g < GATES; g++)
                    sum[g] += widen(pen + k * WIDTH + g * LANES) * outside[k];
            const weight *letters = letters_of(team, layer * p->panels + panel, line[r]);
            const int32_t *which = b->which + (int64_t)line[r] * b->letters;
            for (int k = 0; k < b->seen[line[r]]; k++)
                for (int g = 0; g < GATES; g++)
                    sum[g] += widen(letters + which[k] * WIDTH + g * LANES) * outside[PEN + k];
        }
        for (int g = 0; g < GATES; g++)
            store(sums[r][g], sum[g]);
    }
}

/* The letters in the windows of some lines for a panel to come, a part of them at a time. Those of many hands do not
   stay in the near cache from step to step, and come from memory too slowly if they are only asked for when wanted. */
static void fetch_letters(const Team *team, const int32_t *line, int rows, int64_t panel, int part, int parts)
{
    const Batch *b = team->batch;
    if (b->kinds == b->letters || panel >= LAYERS * team->network->layers[0].panels)
        return;
    for (int r = 0; r < rows; r++) {
        const weight *letters = letters_of(team, panel, line[r]);
        const int32_t *which = b->which + (int64_t)line[r] * b->letters;
        for (int k = part; k < b->seen[line[r]]; k += parts)
            for (int at = 0; at < WIDTH; at += 64 / (int)sizeof(weight))
                __builtin_prefetch(letters + which[k] * WIDTH + at, 0, 2);
    }
}

/* eqs 7-11 without peepholes; gates are input, forget, output, candidate. tanh(x) is e / (e + 2), e = exp(2 x) - 1. */
static void update_cells(const Team *team, Sums sums, const int32_t *line, int rows, int layer, int panel)
{
    for (int r = 0; r < rows; r++) {
        float *cell = cells_of(team, layer, line[r]) + panel * LANES;
        vec e = exp_minus_one(2.0f * load(sums[r][3]));
        vec forget = one_plus_exp(-load(sums[r][1])), input = one_plus_exp(-load(sums[r][0])) * (e + 2.0f);
        vec c = (load(cell) * input + e * forget) / (forget * input);
        store(cell, c);
        e = exp_minus_one(2.0f * c);
        store(hidden(team, team->batch->step, layer, line[r]) + panel * LANES,
              e / (one_plus_exp(-load(sums[r][2])) * (e + 2.0f)));
    }
}

static void put_sums(Sums sums, const int32_t *line, int rows, const Product *p, int panel, float *out)
{
    for (int r = 0; r < rows; r++)
        memcpy(out + ((int64_t)line[r] * p->panels + panel) * WIDTH, sums[r], WIDTH * sizeof(float));
}

/* Items of a product: panels, the same number for each thread, and of those left over a part for each. */
static int items(const Team *team, const Product *p)
{
    int threads = team->block->threads, left = p->panels % threads;
    return p->panels - left + left * threads;
}

/* To the sums of the tiles `first ... end - 1`, the outputs of a layer at a step times weights. Where there are many
   tiles, weights are made float32 a few at a time, and stay in the nearest cache until all tiles have seen them.
   Meanwhile what letters add to panel `next` is fetched. */
static void add_hidden(const Team *team, Sums *sums, int first, int end, const weight *weights, int64_t step, int layer,
                       float *scratch, int64_t next)
{
    int units = team->network->units, many = end - first > 1, chunks = many ? (units + CHUNK - 1) / CHUNK : 1;
    for (int chunk = 0; chunk < chunks; chunk++) {
        int from = units * chunk / chunks, inputs = units * (chunk + 1) / chunks - from;
        for (int t = first, rows; t < end; t++) {
            const int32_t *line = tile(team, t, &rows);
            const float *in[ROWS];
            for (int r = 0; r < rows; r++)
                in[r] = hidden(team, step, layer, line[r]) + from;
            Source source = {weights + from * WIDTH, scratch, (const char *)(weights + from * WIDTH) + AHEAD,
                             WIDTH * sizeof(weight)};
            if (many) {
                source.stride = source.stride / (end - first) + 1;
                source.soon = (const char *)(weights + (from + inputs) * WIDTH) + source.stride * inputs * (t - first);
            }
            add_rows(rows, sums[t - first], &source, !many ? NARROW : t > first ? WIDE : WIDENING, in, inputs);
            fetch_letters(team, line, rows, next, chunk, chunks);
        }
    }
}

static void product_item(const Team *team, int number, float *scratch)
{
    const Network *net = team->network;
    int layer = team->layer, units = net->units, threads = team->block->threads, rows;
    int64_t step = team->batch->step;
    const Product *p = layer < LAYERS ? &net->layers[layer] : &net->to_mixture;
    int whole = p->panels - p->panels % threads, panel = number, first = 0, end = tiles(team);
    if (number >= whole) {
        int part = (number - whole) % threads;
        panel = whole + (number - whole) / threads;
        first = tiles(team) * part / threads;
        end = tiles(team) * (part + 1) / threads;
    }
    Sums *sums = (Sums *)(scratch + CHUNK * WIDTH);
    const weight *weights = p->weights + (int64_t)panel * p->inputs * WIDTH;
    for (int t = first; t < end; t++) {
        const int32_t *line = tile(team, t, &rows);
        for (int r = 0; layer < LAYERS && r < rows; r++) { /* wanted at the end */
            __builtin_prefetch(cells_of(team, layer, line[r]) + panel * LANES, 1);
            __builtin_prefetch(hidden(team, step, layer, line[r]) + panel * LANES, 1);
        }
        start_sums(team, sums[t - first], line, rows, p, layer, panel);
    }
    if (layer == LAYERS) {
        for (int below = 0; below < LAYERS; below++)
            add_hidden(team, sums, first, end, weights + below * units * WIDTH, step, below, scratch, NONE);
    } else {
        add_hidden(team, sums, first, end, weights, step - 1, layer, scratch, layer * p->panels + panel + threads);
        if (layer)
            add_hidden(team, sums, first, end, weights + units * WIDTH, step, layer - 1, scratch, NONE);
    }
    for (int t = first; t < end; t++) {
        const int32_t *line = tile(team, t, &rows);
        if (layer < LAYERS)
            update_cells(team, sums[t - first], line, rows, layer, panel);
        else
            put_sums(sums[t - first], line, rows, p, panel, team->batch->outputs);
    }
}

/* --- window and mixture, line by line ----------------------------------------------------------------------------- */

/* eqs 46-51, and whether the window is on the last place, more than on any other. */
static void look(const Team *team, int line)
{
    const Network *net = team->network;
    Batch *b = team->batch;
    int gaussians = net->gaussians, length = b->lengths[line], letters = b->letters;
    float *p = b->window + (int64_t)line * net->to_window.panels * WIDTH;
    float *kappa = b->kappa + (int64_t)line * gaussians;
    float *phi = team->block->phi + ((int64_t)line * team->block->steps + team->at) * b->places;
    for (int k = 0; k < 3 * gaussians; k++)
        p[k] = expf(p[k]);
    const float *alpha = p, *beta = p + gaussians, *advance = p + 2 * gaussians;
    for (int k = 0; k < gaussians; k++)
        kappa[k] += advance[k];
    vec lane;
    for (int i = 0; i < LANES; i++)
        lane[i] = (float)i;
    float most = 0.0f, last = 0.0f, weight_of[letters];
    memset(weight_of, 0, sizeof weight_of);
    for (int start = 0; start < length; start += LANES) {
        vec weights = {0};
        for (int k = 0; k < gaussians; k++) {
            vec distance = kappa[k] - (lane + (float)start);
            weights += alpha[k] * exponential(clamp(-beta[k] * (distance * distance), -60.0f, 0.0f));
        }
        for (int i = 0; i < LANES && start + i < length; i++) {
            int letter = b->text[(int64_t)line * b->places + start + i];
            phi[start + i] = last = weights[i];
            if (letter >= 0)
                weight_of[letter] += weights[i];
            if (start + i < length - 1 && weights[i] > most)
                most = weights[i];
        }
    }
    for (int u = length; u < b->places; u++)
        phi[u] = 0.0f;
    float *outside = b->outside + (int64_t)line * (PEN + letters) + PEN;
    int count = 0;
    for (int a = 0; a < letters; a++)
        if (weight_of[a] > UNSEEN) {
            outside[count] = weight_of[a];
            b->which[(int64_t)line * letters + count++] = a;
        }
    b->seen[line] = count;
    b->at_end[line] = last >= most;
}

/* nn/mixture.py: split_outputs and sample. */
static void draw(const Network *net, Batch *b, int line, const float *noise)
{
    int components = net->components, chosen = 0;
    const float *pi = b->outputs + (int64_t)line * net->to_mixture.panels * WIDTH;
    const float *mu = pi + components, *log_sigma = mu + 2 * components, *rho = log_sigma + 2 * components;
    float bias = b->bias[line], largest = pi[0], total = 0.0f, cumulative[components];
    for (int m = 1; m < components; m++)
        largest = pi[m] > largest ? pi[m] : largest;
    for (int m = 0; m < components; m++)
        cumulative[m] = total += expf((pi[m] - largest) * (1.0f + bias));
    while (chosen < components - 1 && cumulative[chosen] < noise[0] * total)
        chosen++;
    float radius = sqrtf(-2.0f * log1pf(-noise[1])), angle = 6.28318531f * noise[2];
    float correlation = 0.999f * tanhf(rho[chosen]);
    float z[2] = {radius * cosf(angle), radius * sinf(angle)};
    z[1] = correlation * z[0] + sqrtf(1.0f - correlation * correlation) * z[1];
    float *point = b->points + line * PEN;
    for (int i = 0; i < 2; i++) {
        float sigma = expf(fmaxf(log_sigma[2 * chosen + i] - bias, LOG_SIGMA_FLOOR));
        point[i] = (mu[2 * chosen + i] + sigma * z[i]) * net->deviation[i] + net->mean[i];
    }
    point[2] = noise[3] < 1.0f / (1.0f + expf(-rho[components])) ? 1.0f : 0.0f;
}

/* To the point given, or to one that is drawn, or to the end of the line. */
static void go_on(const Team *team, int line)
{
    Batch *b = team->batch;
    const Block *block = team->block;
    int64_t drawn = b->drawn + team->at, step = (int64_t)line * block->steps + team->at;
    float *point = b->points + line * PEN, *standardised = b->outside + (int64_t)line * (PEN + b->letters);
    const Network *net = team->network;
    if (block->given)
        memcpy(point, block->given + team->at * PEN, PEN * sizeof *point);
    else if (drawn >= b->least[line] && b->at_end[line] && point[2] > 0.5f)
        b->state[line] = FINISHED;
    else if (drawn >= b->limits[line])
        b->state[line] = GIVEN_UP;
    else {
        draw(net, b, line, block->noise + step * 4);
        memcpy(block->drawn + step * PEN, point, PEN * sizeof *point);
        block->counts[line] = team->at + 1;
    }
    for (int i = 0; i < 2; i++)
        standardised[i] = (point[i] - net->mean[i]) / net->deviation[i];
    standardised[2] = point[2];
}

static void window_item(const Team *team, int number, float *scratch)
{
    int rows;
    const int32_t *line = tile(team, number, &rows);
    const Product *p = &team->network->to_window;
    for (int panel = 0; panel < p->panels; panel++) {
        _Alignas(64) Sums sums;
        const weight *weights = p->weights + (int64_t)panel * p->inputs * WIDTH;
        start_sums(team, sums, line, rows, p, LAYERS, panel);
        add_hidden(team, &sums, number, number + 1, weights, team->batch->step, 0, scratch, NONE);
        put_sums(sums, line, rows, p, panel, team->batch->window);
    }
    for (int r = 0; r < rows; r++)
        look(team, line[r]);
}

static void point_item(const Team *team, int number, float *scratch)
{
    (void)scratch;
    int rows;
    const int32_t *line = tile(team, number, &rows);
    for (int r = 0; r < rows; r++)
        go_on(team, line[r]);
}

/* `block->steps` steps of all lines that are being written, or until there is none. Threads that the system does not
   grant are done without. */
void strokesynth_run(const Network *network, Batch *batch, const Block *block)
{
    Team team = {.network = network, .batch = batch, .block = block, .line = block->active};
    Helper helpers[MOST_THREADS];
    int started = 0;
    for (int line = 0; line < batch->lines; line++)
        if (batch->state[line] == WRITING)
            team.line[team.lines++] = line;
    for (; started < block->threads - 1 && started < MOST_THREADS; started++) {
        helpers[started].team = &team;
        helpers[started].scratch = block->scratch + block->scratch_size * (started + 1);
        if (pthread_create(&helpers[started].thread, NULL, helper, &helpers[started]))
            break;
    }
    for (; team.at < block->steps && team.lines; team.at++, batch->step++) {
        for (team.layer = 0; team.layer < LAYERS; team.layer++) {
            lead(&team, product_item, items(&team, &network->layers[team.layer]));
            if (team.layer == 0 && batch->letters)
                lead(&team, window_item, tiles(&team));
        }
        lead(&team, product_item, items(&team, &network->to_mixture));
        lead(&team, point_item, tiles(&team));
        int left = 0;
        for (int i = 0; i < team.lines; i++)
            if (batch->state[team.line[i]] == WRITING)
                team.line[left++] = team.line[i];
        team.lines = left;
    }
    atomic_store(&team.over, 1);
    while (started)
        pthread_join(helpers[--started].thread, NULL);
    if (!block->given)
        batch->drawn += block->steps;
}

/* What `count` letters add to the gates, each in a style of `size` numbers: adding (LAYERS, panels, count, WIDTH), as in
   Batch. columns: (LAYERS, panels, inputs, WIDTH), weights of the window's inputs, letters first and style last. */
void strokesynth_fold(const Network *network, const weight *columns, int32_t inputs, int32_t count, int32_t size,
                      const int32_t *letters, const float *style, weight *adding)
{
    for (int panel = 0; panel < LAYERS * network->layers[0].panels; panel++, columns += (int64_t)inputs * WIDTH)
        for (int first = 0; first < count; first += ROWS) {
            int rows = count - first < ROWS ? count - first : ROWS;
            const float *in[ROWS];
            Sums sums;
            Source source = {.weights = columns + (int64_t)(inputs - size) * WIDTH, .soon = (const char *)columns};
            for (int r = 0; r < rows; r++) {
                in[r] = style + (int64_t)(first + r) * size;
                for (int g = 0; g < GATES; g++)
                    store(sums[r][g], widen(columns + (int64_t)letters[first + r] * WIDTH + g * LANES));
            }
            add_rows(rows, sums, &source, NARROW, in, size);
            for (int r = 0; r < rows; r++)
                for (int g = 0; g < GATES; g++, adding += LANES)
                    narrow(adding, load(sums[r][g]));
        }
}
