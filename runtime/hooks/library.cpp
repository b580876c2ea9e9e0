#include "runtime/hooks/library.hpp"

#include <dlfcn.h>

namespace coir::hooks {

namespace {

template <class Function>
void look_up(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

Library look_up_all() {
    Library found;
#define COIR_LOOK_UP(name, result, parameters, arguments) look_up(found.name, #name);
    COIR_HOOKED(COIR_LOOK_UP)
    COIR_FORTIFIED(COIR_LOOK_UP)
#undef COIR_LOOK_UP
    return found;
}

}  // namespace

const Library& library() {
    static const Library found = look_up_all();
    return found;
}

}  // namespace coir::hooks

// What the linker makes of the calls in the program's own code.
#define COIR_WRAPPER(name, result, parameters, arguments) \
    result __wrap_##name parameters;                      \
    result __wrap_##name parameters { return coir::hooks::library().name arguments; }

extern "C" {
COIR_HOOKED(COIR_WRAPPER)
COIR_FORTIFIED(COIR_WRAPPER)
}
