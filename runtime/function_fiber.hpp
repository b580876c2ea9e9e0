// function_fiber.hpp: what Scheduler::spawn() makes.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "runtime/fiber.hpp"

namespace coir {

// A fiber around a C++ function object, which goes with its fiber's last frame; keeps itself alive
// while it runs.
template <class Function>
class FunctionFiber final : public Fiber {
public:
    explicit FunctionFiber(Function function) : function_(std::move(function)) {}
    std::shared_ptr<Fiber> self;

private:
    void body() override {
        (*function_)();
        function_.reset();
    }
    void ended() override { std::shared_ptr<Fiber> last = std::move(self); }

    std::optional<Function> function_;
};

}  // namespace coir
