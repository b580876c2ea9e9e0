-- require_test.lua: modules that wait while they are loaded.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

--- Makes a module known that calls `body` whenever it is loaded. Returns a function that tells how often
--- that was.
local function module(name, body)
  local loads = 0
  package.preload[name] = function(...)
    loads = loads + 1
    return body(...)
  end
  return function() return loads end
end

--- Fibers that have begun to require the module.
local function requirers(name, count)
  local fibers = {}
  for i = 1, count do fibers[i] = fiber.spawn(require, name) end
  test.settle()
  return fibers
end

test.case('a module that waits while it is loaded is loaded once, however many fibers require it', function()
  local go_on = fiber.channel(0)
  local loads = module('waits', function() return { go_on:get() } end)
  local fibers = requirers('waits', 5)
  test.equal({ loads(), package.loaded.waits }, { 1 })
  go_on:put('value')
  for _, f in ipairs(fibers) do
    local ok, value = f:join()
    test.equal({ ok, value }, { true, { 'value' } })
    test.ok(rawequal(value, package.loaded.waits))
  end
  test.equal(loads(), 1)
end)

test.case('another module can be loaded meanwhile', function()
  local go_on = fiber.channel(0)
  module('slow', function() return go_on:get() end)
  module('quick', function() return 'quick' end)
  local slow = requirers('slow', 1)[1]
  test.equal((require 'quick'), 'quick')
  go_on:put('slow')
  test.equal({ slow:join() }, { true, 'slow', ':preload:' })
end)

test.case('when the load fails, the next fiber that waits tries it', function()
  local go_on = fiber.channel(0)
  local loads
  loads = module('fails', function()
    go_on:get()
    if loads() < 3 then error('load ' .. loads(), 0) end
    return 'at last'
  end)
  local fibers = requirers('fails', 4)
  for _ = 1, 3 do go_on:put(true) end
  test.equal({ fibers[1]:join() }, { false, 'load 1' })
  test.equal({ fibers[2]:join() }, { false, 'load 2' })
  test.equal({ fibers[3]:join() }, { true, 'at last', ':preload:' })
  test.equal({ fibers[4]:join() }, { true, 'at last' })
  test.equal(loads(), 3)
end)

test.case('when the loading fiber is cancelled, the next tries', function()
  local go_on = fiber.channel(0)
  local loads = module('cancelled', function() return go_on:get() end)
  local fibers = requirers('cancelled', 2)
  fibers[1]:cancel()
  test.equal(fibers[1]:join(), false)
  go_on:put('loaded')
  test.equal({ fibers[2]:join() }, { true, 'loaded', ':preload:' })
  test.equal(loads(), 2)
end)

test.case('a fiber that waits for a load can be cancelled, and harms nobody', function()
  local go_on = fiber.channel(0)
  local loads = module('patient', function() return go_on:get() end)
  local fibers = requirers('patient', 3)
  fibers[2]:cancel()
  local ok, problem = fibers[2]:join()
  test.ok(not ok and fiber.is_cancelled(problem))
  go_on:put('loaded')
  test.equal({ fibers[3]:join() }, { true, 'loaded' })
  test.equal(loads(), 1)
end)

test.case('two modules that require each other in two fibers are an error, not a deadlock', function()
  local both = fiber.channel(0)
  module('this', function() both:get(); return require 'that' end)
  module('that', function() both:get(); return require 'this' end)
  local this, that = requirers('this', 1)[1], requirers('that', 1)[1]
  both:put(true)
  both:put(true)
  local ok, problem = that:join()
  test.equal(ok, false)
  test.match(problem, "module 'this' is being loaded by fiber " .. this:id() .. ', which waits for this fiber')
  this:cancel() -- it has begun to load `that` itself
  test.equal(this:join(), false)
end)

test.case('a module may require itself within one fiber as often as it likes to', function()
  local depth = 0
  local loads = module('itself', function()
    depth = depth + 1
    return depth < 3 and require 'itself' or depth
  end)
  test.equal({ require 'itself' }, { 3, ':preload:' })
  test.equal(loads(), 3)
end)

test.case('a fiber that waits for a load says so', function()
  local go_on = fiber.channel(0)
  module('told', function() return go_on:get() end)
  local fibers = requirers('told', 2)
  test.match(fiber.info()[fibers[2]:id()].waiting, '^require, ')
  go_on:put(true)
  test.equal(fibers[2]:join(), true)
end)

test.finish()
