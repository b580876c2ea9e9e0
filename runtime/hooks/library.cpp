#include "runtime/hooks/library.hpp"

#include <dlfcn.h>

namespace coir::hooks {

namespace {

template <class Function>
void look_up(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

[[gnu::constructor]] void look_up_all() {
#define COIR_LOOK_UP(name, result, parameters, arguments) look_up(functions.name, #name);
    COIR_HOOKED(COIR_LOOK_UP)
    COIR_FORTIFIED(COIR_LOOK_UP)
#undef COIR_LOOK_UP
}

#define COIR_FIRST(name, result, parameters, arguments) \
    result first_##name parameters {                    \
        look_up_all();                                  \
        return functions.name arguments;                \
    }
COIR_HOOKED(COIR_FIRST)
COIR_FORTIFIED(COIR_FIRST)
#undef COIR_FIRST

}  // namespace

#define COIR_ENTRY(name, result, parameters, arguments) first_##name,
constinit Library functions{COIR_HOOKED(COIR_ENTRY) COIR_FORTIFIED(COIR_ENTRY)};
#undef COIR_ENTRY

}  // namespace coir::hooks

// What the linker makes of the calls in the program's own code.
#define COIR_WRAPPER(name, result, parameters, arguments) \
    result __wrap_##name parameters;                      \
    result __wrap_##name parameters { return coir::hooks::library().name arguments; }

extern "C" {
COIR_HOOKED(COIR_WRAPPER)
COIR_FORTIFIED(COIR_WRAPPER)
}
