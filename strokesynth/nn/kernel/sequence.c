/* The passes over time of `strokesynth.nn.lstm` and `strokesynth.nn.window`, forward and backward, for processors with
   tiles for products in bfloat16 (AMX). Equations as there (Graves 2013, eqs 7-11 and 46-51).

   Weights and what they are multiplied with are rounded to bfloat16; sums, states and gradients of states are float32.
   Lines do not see one another: they are taken in blocks of 32, two tiles, through all steps. Units are taken in panels
   of 16, one vector, whose four gates are summed up and turned into cells before the next panel is looked at.

   Gates lie by panels (unit / 16, gate, unit % 16), so that what a panel needs of a line is in one place.

   One buffer of 16 bits a gate holds, one after the other, the sums from the layer's input (bfloat16), the
   activations (fixed point, since what counts in the backward pass is how far from 0 and 1 they are), and the gradients
   of the sums (bfloat16), which are as they are the operands of the products that follow. */

#define _GNU_SOURCE
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LANES = 16, TILE = 16, PAIR = 32, GATES = 4, TILE_SIZE = TILE * PAIR, MOST_INPUTS = 4 };
enum { PARAMETERS = 3 * LANES }; /* alpha, beta, advance of up to 16 Gaussians, one vector each */

#define UNSEEN 1e-12f /* a weight of the window that is lost in rounding */
#define REACH 40.0f   /* an exponent at which a Gaussian is */

typedef __m512 vec;
typedef uint16_t bf16;

#define INLINE static inline __attribute__((always_inline))

/* --- what Python fills in: the same fields in nn/kernel/sequence.py ----------------------------------------------- */

typedef struct {
    int64_t steps, lines;
    int64_t units;     /* H, a multiple of 16 */
    int64_t recurrent; /* numbers that recur: H, or H + letters */
    int64_t stride;    /* of `state`: a multiple of 32 */
    int64_t inputs;    /* of the pen; 0 where all inputs are in `gates` already */
    int64_t places;    /* of the text; 0 without a window */
    int64_t letters;   /* width of a row of the text */
    int64_t gaussians; /* of the window */
    int64_t bias_stride;
    const bf16 *weights;  /* packed by pack_forward or pack_backward */
    const float *bias;    /* (lines or 1, 4 H) */
    const float *x;       /* (steps, lines, inputs) */
    const float *w_ih;    /* (inputs, 4 H) */
    const float *w_hp;    /* forward (H, PARAMETERS), backward (3 gaussians, H) */
    const float *b_p;     /* (PARAMETERS) */
    const float *text;    /* (lines, places, letters) */
    uint16_t *gates;      /* (steps, lines, 4 H) */
    bf16 *state;          /* (steps + 1, lines, stride): [h, window] of the step before */
    float *c;             /* (steps + 1, lines, H) */
    float *h;             /* (steps, lines, H) */
    float *window;        /* (steps, lines, letters) */
    float *kappa;         /* (steps + 1, lines, LANES) */
    float *parameters;    /* (steps, lines, PARAMETERS); backward: become their gradients */
    float *phi;           /* (steps, lines, places) */
    const float *dh;      /* (steps, lines, H) */
    float *dwindow;       /* (steps, lines, letters): from above; becomes the whole gradient */
    float *dc;            /* (lines, H) in and out */
    float *dkappa;        /* (lines, LANES) in and out */
    float *dstate;        /* (lines, recurrent) out */
    float *dbias;         /* (lines, 4 H) out */
    float *dw_ih;         /* (inputs, 4 H), added to */
} Sequence;

/* --- tiles -------------------------------------------------------------------------------------------------------- */

/* Asks the system for the tiles' registers; 0 if it gives them. */
int strokesynth_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0;
}

/* Sums in tiles 0-3 (two of rows by two of columns), rows in 4 and 5, columns in 6 and 7. */
static void configure(int first, int second)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) config = {.palette = 1};
    const int rows[8] = {first, first, second, second, first, second, TILE, TILE};
    for (int i = 0; i < 8; i++)
        if (rows[i]) {
            config.rows[i] = rows[i];
            config.row_bytes[i] = 64;
        }
    _tile_loadconfig(&config);
}

/* sums (rows, 32) = left (rows, 32 chunks) @ two columns of tiles of `weights` (chunks, 2, TILE_SIZE) */
INLINE void multiply(const bf16 *left, int64_t left_stride, const bf16 *weights, int64_t skip, int chunks, int two,
                     float *sums, int64_t second_column, int64_t sums_stride)
{
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
        _tile_zero(2);
        _tile_zero(3);
        for (int k = 0; k < chunks; k++, weights += skip) {
            _tile_loadd(4, left + k * PAIR, left_stride * 2);
            _tile_loadd(6, weights, 64);
            _tile_loadd(5, left + TILE * left_stride + k * PAIR, left_stride * 2);
            _tile_loadd(7, weights + TILE_SIZE, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(2, sums + TILE * sums_stride, sums_stride * 4);
        _tile_stored(3, sums + TILE * sums_stride + second_column, sums_stride * 4);
    } else
        for (int k = 0; k < chunks; k++, weights += skip) {
            _tile_loadd(4, left + k * PAIR, left_stride * 2);
            _tile_loadd(6, weights, 64);
            _tile_loadd(7, weights + TILE_SIZE, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        }
    _tile_stored(0, sums, sums_stride * 4);
    _tile_stored(1, sums + second_column, sums_stride * 4);
}

INLINE bf16 rounded(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* (4 H, recurrent) -> (H / 16, stride / 32, GATES, TILE_SIZE), for `left @ weights.T` */
void strokesynth_pack_forward(const float *weights, int64_t units, int64_t recurrent, int64_t stride, bf16 *packed)
{
    for (int64_t panel = 0; panel < units; panel += TILE)
        for (int64_t chunk = 0; chunk < stride; chunk += PAIR)
            for (int gate = 0; gate < GATES; gate++, packed += TILE_SIZE)
                for (int column = 0; column < TILE; column++) {
                    const float *row = weights + (gate * units + panel + column) * recurrent;
                    for (int k = 0; k < PAIR; k++)
                        packed[k / 2 * PAIR + column * 2 + k % 2] =
                            chunk + k < recurrent ? rounded(row[chunk + k]) : 0;
                }
}

/* Which row of weights (4 H, ...) has the gate at this place of the panels. */
INLINE int64_t by_gate(int64_t place, int64_t units)
{
    return place / LANES % GATES * units + place / (GATES * LANES) * LANES + place % LANES;
}

/* Columns of tiles of `carried`: an even number. */
INLINE int64_t column_tiles(int64_t recurrent) { return (recurrent + 2 * TILE - 1) / (2 * TILE) * 2; }

/* (rows, columns) -> (columns of tiles / 2, rows / 32, 2, TILE_SIZE), for `left @ weights`; rows are taken in the
   order of panels of so many units, or for 0 units as they come. */
void strokesynth_pack_backward(const float *weights, int64_t units, int64_t rows, int64_t columns, bf16 *packed)
{
    for (int64_t first = 0; first < columns; first += 2 * TILE)
        for (int64_t chunk = 0; chunk < rows; chunk += PAIR)
            for (int tile = 0; tile < 2; tile++, packed += TILE_SIZE)
                for (int k = 0; k < PAIR; k++)
                    for (int column = 0; column < TILE; column++) {
                        int64_t from = first + tile * TILE + column;
                        int64_t row = units ? by_gate(chunk + k, units) : chunk + k;
                        packed[k / 2 * PAIR + column * 2 + k % 2] =
                            from < columns && row < rows ? rounded(weights[row * columns + from]) : 0;
                    }
}

/* --- elementwise functions ---------------------------------------------------------------------------------------- */

INLINE vec all(float value) { return _mm512_set1_ps(value); }

INLINE vec exponential(vec x)
{
    vec n = _mm512_roundscale_ps(x * all(1.44269504f), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vec r = _mm512_fnmadd_ps(n, all(0.693359375f), x); /* log 2 in two parts */
    r = _mm512_fnmadd_ps(n, all(-2.12194440e-4f), r);
    vec p = all(1.9875691500e-4f); /* Cephes expf */
    p = _mm512_fmadd_ps(p, r, all(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, all(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, all(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, all(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, all(5.0000001201e-1f));
    p = _mm512_fmadd_ps(p, r * r, r) + all(1.0f);
    return _mm512_scalef_ps(p, n);
}

INLINE vec sigmoid(vec x)
{
    vec d = all(1.0f) + exponential(_mm512_min_ps(all(80.0f), -x)); /* in this order NaN stays NaN */
    vec r = _mm512_rcp14_ps(d);
    return r * _mm512_fnmadd_ps(d, r, all(2.0f));
}

INLINE vec hyperbolic_tangent(vec x) { return _mm512_fmsub_ps(all(2.0f), sigmoid(x + x), all(1.0f)); }

INLINE vec load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, vec v) { _mm512_storeu_ps(to, v); }

INLINE __m512i load16(const uint16_t *from) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from)); }

INLINE vec load_bf16(const bf16 *from) { return _mm512_castsi512_ps(_mm512_slli_epi32(load16(from), 16)); }

INLINE void store_bf16(bf16 *to, vec v) { _mm256_storeu_si256((void *)to, (__m256i)_mm512_cvtneps_pbh(v)); }

/* Fixed point: sigmoids in 65535ths, tanh in 32767ths. */
INLINE void store_fixed(uint16_t *to, vec v, float scale)
{
    _mm256_storeu_si256((void *)to, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v * all(scale))));
}

INLINE vec load_sigmoid(const uint16_t *from) { return _mm512_cvtepi32_ps(load16(from)) * all(1.0f / 65535.0f); }

INLINE vec load_tangent(const uint16_t *from)
{
    __m512i wide = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const void *)from));
    return _mm512_cvtepi32_ps(wide) * all(1.0f / 32767.0f);
}

/* --- cells -------------------------------------------------------------------------------------------------------- */

/* One panel of one line: `sums` are those of the gates that recur, [gate * gap]. */
INLINE void cell_forward(const Sequence *s, int64_t at, int64_t line, int64_t unit, const float *sums, int64_t gap)
{
    const int64_t units = s->units;
    uint16_t *gates = s->gates + at * GATES * units + unit * GATES;
    const float *bias = s->bias + line * s->bias_stride + unit * GATES;
    vec z[GATES];
    for (int g = 0; g < GATES; g++)
        z[g] = load(sums + g * gap) + load(bias + g * LANES);
    if (s->inputs)
        for (int i = 0; i < s->inputs; i++) {
            vec value = all(s->x[at * s->inputs + i]);
            for (int g = 0; g < GATES; g++)
                z[g] = _mm512_fmadd_ps(value, load(s->w_ih + (i * units + unit) * GATES + g * LANES), z[g]);
        }
    else
        for (int g = 0; g < GATES; g++)
            z[g] += load_bf16(gates + g * LANES);
    vec i = sigmoid(z[0]), f = sigmoid(z[1]), o = sigmoid(z[2]), g = hyperbolic_tangent(z[3]);
    store_fixed(gates, i, 65535.0f);
    store_fixed(gates + LANES, f, 65535.0f);
    store_fixed(gates + 2 * LANES, o, 65535.0f);
    store_fixed(gates + 3 * LANES, g, 32767.0f);
    vec c = _mm512_fmadd_ps(f, load(s->c + at * units + unit), i * g);
    vec h = o * hyperbolic_tangent(c);
    store(s->c + (at + s->lines) * units + unit, c);
    store(s->h + at * units + unit, h);
    store_bf16(s->state + (at + s->lines) * s->stride + unit, h);
}

/* Gradients of the sums of one panel of one line; `dh` is that of h. */
INLINE void cell_backward(const Sequence *s, int64_t at, int64_t line, int64_t unit, vec dh, vec out[GATES])
{
    const int64_t units = s->units;
    uint16_t *gates = s->gates + at * GATES * units + unit * GATES;
    float *carried = s->dc + line * units + unit;
    const vec one = all(1.0f);
    vec i = load_sigmoid(gates), f = load_sigmoid(gates + LANES), o = load_sigmoid(gates + 2 * LANES);
    vec g = load_tangent(gates + 3 * LANES);
    vec squashed = hyperbolic_tangent(load(s->c + (at + s->lines) * units + unit));
    vec dc = _mm512_fmadd_ps(dh * o, _mm512_fnmadd_ps(squashed, squashed, one), load(carried));
    out[0] = dc * g * i * (one - i);
    out[1] = dc * load(s->c + at * units + unit) * f * (one - f);
    out[2] = dh * squashed * o * (one - o);
    out[3] = dc * i * _mm512_fnmadd_ps(g, g, one);
    store(carried, dc * f);
    for (int gate = 0; gate < GATES; gate++) {
        store_bf16(gates + gate * LANES, out[gate]);
        float *sum = s->dbias + (line * units + unit) * GATES + gate * LANES;
        store(sum, load(sum) + out[gate]);
    }
}

/* --- the window --------------------------------------------------------------------------------------------------- */

INLINE vec bumps(vec kappa, vec beta, float place)
{
    vec distance = kappa - all(place);
    return exponential(-beta * distance * distance);
}

/* Parameters of the window of up to four lines (eqs 48-51). */
INLINE void window_parameters(const Sequence *s, int64_t at, int lines)
{
    vec sums[4][3];
    for (int n = 0; n < lines; n++)
        for (int v = 0; v < 3; v++)
            sums[n][v] = load(s->b_p + v * LANES);
    const float *h = s->h + at * s->units;
    for (int64_t unit = 0; unit < s->units; unit++) {
        const float *row = s->w_hp + unit * PARAMETERS;
        vec weights[3] = {load(row), load(row + LANES), load(row + 2 * LANES)};
        for (int n = 0; n < lines; n++)
            for (int v = 0; v < 3; v++)
                sums[n][v] = _mm512_fmadd_ps(all(h[n * s->units + unit]), weights[v], sums[n][v]);
    }
    __mmask16 used = (1 << s->gaussians) - 1;
    for (int n = 0; n < lines; n++)
        for (int v = 0; v < 3; v++)
            store(s->parameters + (at + n) * PARAMETERS + v * LANES,
                  _mm512_maskz_mov_ps(used, exponential(sums[n][v])));
}

INLINE int64_t clamped(float place, int64_t least, int64_t most)
{
    return place > least ? (place < most ? (int64_t)place : most) : least; /* also of NaN */
}

static void window_forward(const Sequence *s, int64_t at, int64_t line)
{
    const float *p = s->parameters + at * PARAMETERS;
    vec alpha = load(p), beta = load(p + LANES);
    vec kappa = load(s->kappa + at * LANES) + load(p + 2 * LANES);
    store(s->kappa + (at + s->lines) * LANES, kappa);
    float *phi = s->phi + at * s->places, *window = s->window + at * s->letters;
    memset(phi, 0, s->places * sizeof *phi);
    memset(window, 0, s->letters * sizeof *window);
    __mmask16 used = (1 << s->gaussians) - 1;
    vec reach = _mm512_sqrt_ps(all(REACH) / beta);
    int64_t from = clamped(_mm512_mask_reduce_min_ps(used, kappa - reach), 0, s->places);
    int64_t to = clamped(_mm512_mask_reduce_max_ps(used, kappa + reach) + 1.0f, 0, s->places);
    int broken = _mm512_mask_cmp_ps_mask(used, kappa * beta * alpha, all(0.0f), _CMP_UNORD_Q) != 0;
    if (broken) /* shows in the loss */
        from = 0, to = s->places;
    for (int64_t u = from; u < to; u++) {
        float weight = _mm512_reduce_add_ps(alpha * bumps(kappa, beta, u));
        phi[u] = weight;
        if (weight < UNSEEN)
            continue;
        const float *row = s->text + (line * s->places + u) * s->letters;
        for (int64_t a = 0; a < s->letters; a += LANES) {
            __mmask16 rest = s->letters - a < LANES ? (1 << (s->letters - a)) - 1 : 0xffff;
            vec sum = _mm512_fmadd_ps(all(weight), _mm512_maskz_loadu_ps(rest, row + a),
                                      _mm512_maskz_loadu_ps(rest, window + a));
            _mm512_mask_storeu_ps(window + a, rest, sum);
        }
    }
    bf16 *state = s->state + (at + s->lines) * s->stride + s->units;
    for (int64_t a = 0; a < s->letters; a++)
        state[a] = rounded(window[a]);
}

/* Adds what comes through the window to `dh` (units); `carried` is the window's gradient from the step after. */
static void window_backward(const Sequence *s, int64_t at, int64_t line, const float *carried, float *dh)
{
    float *p = s->parameters + at * PARAMETERS, *dwindow = s->dwindow + at * s->letters;
    for (int64_t a = 0; a < s->letters; a++)
        dwindow[a] += carried[a];
    vec alpha = load(p), beta = load(p + LANES), kappa = load(s->kappa + (at + s->lines) * LANES);
    vec zeroth = all(0.0f), first = zeroth, second = zeroth;
    const float *phi = s->phi + at * s->places;
    for (int64_t u = 0; u < s->places; u++) {
        if (phi[u] < UNSEEN)
            continue;
        const float *row = s->text + (line * s->places + u) * s->letters;
        vec dot = all(0.0f);
        for (int64_t a = 0; a < s->letters; a += LANES) {
            __mmask16 rest = s->letters - a < LANES ? (1 << (s->letters - a)) - 1 : 0xffff;
            dot = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rest, row + a), _mm512_maskz_loadu_ps(rest, dwindow + a), dot);
        }
        vec part = all(_mm512_reduce_add_ps(dot)) * bumps(kappa, beta, u), distance = kappa - all(u);
        zeroth += part;
        first = _mm512_fmadd_ps(part, distance, first);
        second = _mm512_fmadd_ps(part, distance * distance, second);
    }
    float *dkappa = s->dkappa + line * LANES;
    vec whole = load(dkappa) - all(2.0f) * first * alpha * beta;
    store(dkappa, whole);
    store(p, zeroth * alpha);
    store(p + LANES, -second * alpha * beta);
    store(p + 2 * LANES, whole * load(p + 2 * LANES));
    for (int64_t unit = 0; unit < s->units; unit += LANES) {
        vec sum = load(dh + unit), other = all(0.0f);
        for (int v = 0; v < 3; v++)
            for (int64_t k = 0; k < s->gaussians; k++) {
                vec row = load(s->w_hp + (v * s->gaussians + k) * s->units + unit);
                if (k & 1)
                    other = _mm512_fmadd_ps(all(p[v * LANES + k]), row, other);
                else
                    sum = _mm512_fmadd_ps(all(p[v * LANES + k]), row, sum);
            }
        store(dh + unit, sum + other);
    }
}

/* --- sequences ---------------------------------------------------------------------------------------------------- */

/* What a panel will need at another step, on its way from memory in good time. */
INLINE void fetch(const Sequence *s, int64_t at, int lines, int64_t unit)
{
    for (int n = 0; n < lines; n++) {
        const uint16_t *gates = s->gates + ((at + n) * s->units + unit) * GATES;
        _mm_prefetch((const void *)gates, _MM_HINT_T1);
        _mm_prefetch((const void *)(gates + 2 * LANES), _MM_HINT_T1);
    }
}

static void block_forward(const Sequence *s, int64_t first, int lines)
{
    float sums[GATES * PAIR * TILE] __attribute__((aligned(64)));
    const int64_t gap = PAIR * TILE;
    const int chunks = s->stride / PAIR, two = lines > TILE;
    for (int64_t t = 0; t < s->steps; t++) {
        const int64_t at = t * s->lines + first;
        const bf16 *weights = s->weights, *state = s->state + at * s->stride;
        for (int64_t unit = 0; unit < s->units; unit += LANES, weights += chunks * GATES * TILE_SIZE) {
            fetch(s, at + s->lines, lines, unit);
            multiply(state, s->stride, weights, GATES * TILE_SIZE, chunks, two, sums, gap, TILE);
            multiply(state, s->stride, weights + 2 * TILE_SIZE, GATES * TILE_SIZE, chunks, two, sums + 2 * gap, gap,
                     TILE);
            for (int n = 0; n < lines; n++)
                cell_forward(s, at + n, first + n, unit, sums + n * TILE, gap);
        }
        if (!s->places)
            continue;
        int n = 0;
        for (; n + 4 <= lines; n += 4)
            window_parameters(s, at + n, 4);
        for (; n < lines; n++)
            window_parameters(s, at + n, 1);
        for (n = 0; n < lines; n++)
            window_forward(s, at + n, first + n);
    }
}

static void block_backward(const Sequence *s, int64_t first, int lines, float *carried, float *dw_ih)
{
    const int64_t units = s->units, tiles = column_tiles(s->recurrent), width = tiles * TILE;
    const int chunks = GATES * units / PAIR, two = lines > TILE, inputs = s->inputs;
    memset(carried, 0, PAIR * width * sizeof *carried);
    for (int64_t t = s->steps - 1; t >= 0; t--) {
        const int64_t at = t * s->lines + first;
        for (int n = 0; n < lines; n++) {
            float *dh = carried + n * width;
            for (int64_t unit = 0; unit < units; unit += LANES)
                store(dh + unit, load(dh + unit) + load(s->dh + (at + n) * units + unit));
            if (s->places)
                window_backward(s, at + n, first + n, dh + units, dh);
        }
        for (int64_t unit = 0; unit < units; unit += LANES) {
            vec sums[MOST_INPUTS][GATES], grads[GATES];
            fetch(s, at - s->lines, lines, unit);
            for (int n = 0; n < lines; n++) {
                int64_t before = (at - s->lines + n) * units + unit;
                _mm_prefetch((const void *)(s->c + before), _MM_HINT_T1);
                _mm_prefetch((const void *)(s->dh + before), _MM_HINT_T1);
            }
            for (int i = 0; i < inputs; i++)
                for (int g = 0; g < GATES; g++)
                    sums[i][g] = load(dw_ih + (i * units + unit) * GATES + g * LANES);
            for (int n = 0; n < lines; n++) {
                cell_backward(s, at + n, first + n, unit, load(carried + n * width + unit), grads);
                for (int i = 0; i < inputs; i++) {
                    vec value = all(s->x[(at + n) * inputs + i]);
                    for (int g = 0; g < GATES; g++)
                        sums[i][g] = _mm512_fmadd_ps(value, grads[g], sums[i][g]);
                }
            }
            for (int i = 0; i < inputs; i++)
                for (int g = 0; g < GATES; g++)
                    store(dw_ih + (i * units + unit) * GATES + g * LANES, sums[i][g]);
        }
        const bf16 *weights = s->weights, *grads = s->gates + at * GATES * units;
        for (int64_t tile = 0; tile < tiles; tile += 2, weights += 2 * chunks * TILE_SIZE)
            multiply(grads, GATES * units, weights, 2 * TILE_SIZE, chunks, two, carried + tile * TILE, TILE, width);
    }
    for (int n = 0; n < lines; n++)
        memcpy(s->dstate + (first + n) * s->recurrent, carried + n * width, s->recurrent * sizeof *carried);
}

/* --- products over all steps -------------------------------------------------------------------------------------- */

enum { BLOCK = 24 }; /* chunks of 32 rows, for which both operands stay in the caches */

/* Rows of pairs of numbers of 16 bits, as columns. */
INLINE void transpose(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 16; i += 8)
        for (int k = 0; k < 4; k++) {
            t[i + k] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0x88);
            t[i + k + 4] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        r[k] = _mm512_shuffle_i32x4(t[k], t[k + 8], 0x88);
        r[k + 8] = _mm512_shuffle_i32x4(t[k], t[k + 8], 0xdd);
    }
}

/* A tile of 16 columns of up to 32 rows: row by row, a pair of rows side by side; or that with columns as rows. */
INLINE void pack_tile(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, int turned, bf16 *to)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __mmask16 used = columns < TILE ? (1 << (columns > 0 ? columns : 0)) - 1 : 0xffff;
    __m512i pairs[16];
    for (int i = 0; i < TILE; i++) {
        __m256i half[2];
        for (int k = 0; k < 2; k++)
            half[k] = 2 * i + k < rows ? _mm256_maskz_loadu_epi16(used, from + (2 * i + k) * stride)
                                       : _mm256_setzero_si256();
        __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(half[0]), half[1], 1);
        pairs[i] = _mm512_permutexvar_epi16(order, both);
    }
    if (turned)
        transpose(pairs);
    for (int i = 0; i < TILE; i++)
        _mm512_storeu_si512(to + i * PAIR, pairs[i]);
}

INLINE void pack_pair(const bf16 *from, int64_t stride, int64_t rows, int64_t columns, int turned, bf16 *to)
{
    for (int64_t chunk = 0; chunk * PAIR < rows; chunk++) {
        for (int64_t r = chunk * PAIR; r < (chunk + 1) * PAIR && r < rows; r++) /* for the next pair of tiles */
            _mm_prefetch((const void *)(from + r * stride + PAIR), _MM_HINT_T1);
        for (int tile = 0; tile < 2; tile++, to += TILE_SIZE)
            pack_tile(from + chunk * PAIR * stride + tile * TILE, stride, rows - chunk * PAIR, columns - tile * TILE,
                      turned, to);
    }
}

/* sums (m, n) = left.T @ right, for left (rows, m) and right (rows, n); 0, or 1 if there is no memory. Columns of
   `left` are gates of so many units by panels, or for 0 units what they are; rows of sums go gate by gate. */
int strokesynth_outer(int64_t units, const bf16 *left, int64_t m, int64_t left_stride, const bf16 *right, int64_t n,
                      int64_t right_stride, int64_t rows, float *sums)
{
    enum { PANEL = BLOCK * 2 * TILE_SIZE, SQUARE = 4 * TILE * TILE };
    const int64_t across = (n + PAIR - 1) / PAIR, down = (m + PAIR - 1) / PAIR;
    const size_t squares = down * across * SQUARE * sizeof(float);
    char *memory = aligned_alloc(64, squares + (across + 1) * PANEL * sizeof(bf16));
    if (!memory)
        return 1;
    float *square = (float *)memory;
    bf16 *lefts = (bf16 *)(memory + squares), *rights = lefts + PANEL;
    configure(TILE, TILE);
    for (int64_t row = 0; row < rows; row += BLOCK * PAIR) {
        const int64_t some = rows - row < BLOCK * PAIR ? rows - row : BLOCK * PAIR;
        const int chunks = (some + PAIR - 1) / PAIR;
        for (int64_t j = 0; j < across; j++)
            pack_pair(right + row * right_stride + j * PAIR, right_stride, some, n - j * PAIR, 0, rights + j * PANEL);
        float *at = square;
        for (int64_t i = 0; i < down; i++) {
            pack_pair(left + row * left_stride + i * PAIR, left_stride, some, m - i * PAIR, 1, lefts);
            for (int64_t j = 0; j < across; j++, at += SQUARE) {
                const bf16 *a = lefts, *b = rights + j * PANEL;
                if (row) {
                    _tile_loadd(0, at, 64);
                    _tile_loadd(1, at + TILE * TILE, 64);
                    _tile_loadd(2, at + 2 * TILE * TILE, 64);
                    _tile_loadd(3, at + 3 * TILE * TILE, 64);
                } else {
                    _tile_zero(0);
                    _tile_zero(1);
                    _tile_zero(2);
                    _tile_zero(3);
                }
                for (int k = 0; k < chunks; k++, a += 2 * TILE_SIZE, b += 2 * TILE_SIZE) {
                    for (int line = 0; line < 3; line++) /* of the next square: 64 lines in 24 chunks */
                        _mm_prefetch((const void *)(at + SQUARE + (k * 3 + line) * LANES), _MM_HINT_T0);
                    _tile_loadd(4, a, 64);
                    _tile_loadd(6, b, 64);
                    _tile_loadd(5, a + TILE_SIZE, 64);
                    _tile_loadd(7, b + TILE_SIZE, 64);
                    _tile_dpbf16ps(0, 4, 6);
                    _tile_dpbf16ps(2, 5, 6);
                    _tile_dpbf16ps(1, 4, 7);
                    _tile_dpbf16ps(3, 5, 7);
                }
                _tile_stored(0, at, 64);
                _tile_stored(1, at + TILE * TILE, 64);
                _tile_stored(2, at + 2 * TILE * TILE, 64);
                _tile_stored(3, at + 3 * TILE * TILE, 64);
            }
        }
    }
    _tile_release();
    for (int64_t i = 0; i < m; i++) {
        float *row = sums + (units ? by_gate(i, units) : i) * n;
        for (int64_t j = 0; j < n; j += TILE) {
            const float *from = square + ((i / PAIR * across + j / PAIR) * 4 + i / TILE % 2 * 2 + j / TILE % 2) * TILE * TILE;
            for (int64_t k = 0; k < TILE && j + k < n; k++)
                row[j + k] = from[i % TILE * TILE + k];
        }
    }
    free(memory);
    return 0;
}

INLINE int block_of(const Sequence *s, int64_t line)
{
    int lines = s->lines - line < PAIR ? s->lines - line : PAIR;
    configure(lines < TILE ? lines : TILE, lines < TILE ? 0 : lines - TILE);
    return lines;
}

void strokesynth_sequence_forward(const Sequence *s)
{
    for (int64_t line = 0; line < s->lines; line += PAIR)
        block_forward(s, line, block_of(s, line));
    _tile_release();
}

/* 0, or 1 if there is no memory. */
int strokesynth_sequence_backward(const Sequence *s)
{
    size_t size = PAIR * column_tiles(s->recurrent) * TILE * sizeof(float);
    float *carried = aligned_alloc(64, size);
    if (!carried)
        return 1;
    for (int64_t line = 0; line < s->lines; line += PAIR)
        block_backward(s, line, block_of(s, line), carried, s->dw_ih);
    _tile_release();
    free(carried);
    return 0;
}

/* sums (rows, column_tiles * 16) = left (rows, 32 chunks) @ weights of pack_backward */
void strokesynth_product(const bf16 *left, int64_t rows, int64_t chunks, const bf16 *weights, int64_t columns,
                         float *sums)
{
    enum { ROWS = 8 * PAIR }; /* that stay in the cache while all weights come by */
    const int64_t tiles = column_tiles(columns), width = tiles * TILE, inner = chunks * PAIR;
    for (int64_t row = 0; row < rows; row += ROWS) {
        const int64_t end = rows - row < ROWS ? rows : row + ROWS, whole = end - (end - row) % PAIR;
        const bf16 *from = weights;
        for (int64_t tile = 0; tile < tiles; tile += 2, from += 2 * chunks * TILE_SIZE) {
            float *to = sums + tile * TILE;
            configure(TILE, TILE);
            for (int64_t r = row; r < whole; r += PAIR)
                multiply(left + r * inner, inner, from, 2 * TILE_SIZE, chunks, 1, to + r * width, TILE, width);
            const int rest = end - whole;
            if (rest) {
                configure(rest < TILE ? rest : TILE, rest < TILE ? 0 : rest - TILE);
                multiply(left + whole * inner, inner, from, 2 * TILE_SIZE, chunks, rest > TILE, to + whole * width,
                         TILE, width);
            }
        }
    }
    _tile_release();
}
