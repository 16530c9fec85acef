/* What each construct of OpenMP costs on its own, as in EPCC's micro-benchmarks: the time of many of them, less that of their bodies, which
   is nothing. Or else pieces of known length under schedule(dynamic, 1).

   openmp WORKERS RUNS [ROUNDS:PIECES]...
   writes a line for each construct, or for each length if there is one: its name, and seconds for each run. */
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMES 100
#define BATCH 0.02

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

static uint64_t spin(uint64_t number, uint64_t rounds) {
    for (uint64_t i = 0; i < rounds; i++)
        number = (number ^ number >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return number;
}

#define NOTHING __asm__ volatile("" ::: "memory")
#define MEASURE(name, batch, count, code)                                 \
    printf("%s", name);                                                   \
    for (int run = 0; run <= runs; run++) {                               \
        double first = now(), least = 1e300, began, ended;                \
        do {                                                              \
            began = now();                                                \
            code                                                          \
            ended = now();                                                \
            least = ended - began < least ? ended - began : least;        \
        } while (ended - first < (batch));                                \
        if (run) printf(" %.12g", least / (count));                       \
    }                                                                     \
    printf("\n");

int main(int argc, char **argv) {
    int workers = atoi(argv[1]), runs = atoi(argv[2]), sum = 0;
    volatile int shared = 0;
    omp_set_dynamic(0);
    omp_set_num_threads(workers);
    if (argc > 3)
        goto pieces;
    MEASURE("parallel", BATCH, TIMES, for (int i = 0; i < TIMES; i++) {
        _Pragma("omp parallel") NOTHING;
    })
    MEASURE("for", BATCH, TIMES, _Pragma("omp parallel") for (int i = 0; i < TIMES; i++) {
        _Pragma("omp for") for (int j = 0; j < workers; j++) NOTHING;
    })
    MEASURE("barrier", BATCH, TIMES, _Pragma("omp parallel") for (int i = 0; i < TIMES; i++) { _Pragma("omp barrier") })
    MEASURE("single", BATCH, TIMES, _Pragma("omp parallel") for (int i = 0; i < TIMES; i++) { _Pragma("omp single") NOTHING; })
    MEASURE("critical", BATCH, TIMES * workers, _Pragma("omp parallel") for (int i = 0; i < TIMES; i++) {
        _Pragma("omp critical") shared++;
    })
    MEASURE("atomic", BATCH, TIMES * workers, _Pragma("omp parallel") for (int i = 0; i < TIMES; i++) {
        _Pragma("omp atomic") sum++;
    })
    MEASURE("ordered", BATCH, TIMES, _Pragma("omp parallel for ordered schedule(static, 1)") for (int i = 0; i < TIMES; i++) {
        _Pragma("omp ordered") shared++;
    })
    MEASURE("reduction", BATCH, TIMES, for (int i = 0; i < TIMES; i++) {
        _Pragma("omp parallel reduction(+ : sum)") sum++;
    })
    MEASURE("static,1", BATCH, 1000 * TIMES, _Pragma("omp parallel for schedule(static, 1)")
        for (int i = 0; i < 1000 * TIMES; i++) NOTHING;)
    MEASURE("dynamic,1", BATCH, 1000 * TIMES, _Pragma("omp parallel for schedule(dynamic, 1)")
        for (int i = 0; i < 1000 * TIMES; i++) NOTHING;)
    MEASURE("guided,1", BATCH, 1000 * TIMES, _Pragma("omp parallel for schedule(guided, 1)")
        for (int i = 0; i < 1000 * TIMES; i++) NOTHING;)
pieces:
    for (int at = 3; at < argc; at++) {
        char *rest;
        uint64_t rounds = strtoull(argv[at], &rest, 10);
        long pieces = strtol(rest + 1, 0, 10);
        uint64_t seen = 0;
        MEASURE(argv[at], 0, 1, _Pragma("omp parallel reduction(^ : seen)") {
            uint64_t number = 1;
            _Pragma("omp for schedule(dynamic, 1)") for (long i = 0; i < pieces; i++) number = spin(number ^ i, rounds);
            seen ^= number;
        })
        shared += (int)seen;
    }
    return 0;
}
