#include "fabric/bell.h"
#include <unistd.h>
int avow_bell_serve(int fd)
{
    char c;
    while (read(fd, &c, 1) > 0)
        ;
    return 0;
}
