/*
 * Scope-bound release of owned locals. Initialise at the declaration, hand over with avow_steal,
 * and never goto in a function that has one (gcc 12 accepts a jump past it silently).
 */
#ifndef AVOW_BASE_CLEANUP_H
#define AVOW_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `avow_auto(avow_buf_done) struct avow_buf b = ...`: fn takes a pointer to the variable. */
#define avow_auto(fn) __attribute__((cleanup(fn)))

static inline void avow_cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void avow_cleanup_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void avow_cleanup_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define avow_autofree __attribute__((cleanup(avow_cleanup_free)))
#define avow_autoclose __attribute__((cleanup(avow_cleanup_fd)))
#define avow_autofclose __attribute__((cleanup(avow_cleanup_file)))

/* Define avow_cleanup_NAME(T **p) that calls free_fn(*p) when *p is not NULL. */
#define AVOW_DEFINE_CLEANUP(name, type, free_fn)     \
    static inline void avow_cleanup_##name(type **p) \
    {                                                \
        if (*p)                                      \
            free_fn(*p);                             \
    }

/* Take the value out of an auto variable so that its cleanup finds nothing. */
#define avow_steal(p)                                              \
    __extension__({                                                \
        __typeof__(p) avow_steal_p_ = (p);                         \
        __typeof__(*avow_steal_p_) avow_steal_v_ = *avow_steal_p_; \
        *avow_steal_p_ = NULL;                                     \
        avow_steal_v_;                                             \
    })

static inline int avow_steal_fd(int *fd)
{
    int v = *fd;

    *fd = -1;
    return v;
}

#endif
