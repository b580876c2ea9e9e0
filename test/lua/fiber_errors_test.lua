-- fiber_errors_test.lua: errors that nobody catches, as the program prints them.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'

local preamble = "local fiber = require 'fiber'\n"

--- Runs a script that must end well, and returns what it printed to standard error.
local function errors_of(text)
  local result = child.run(preamble .. text)
  test.equal({ result.how, result.code }, { 'exit', 0 })
  return result.err, result
end

test.case('an uncaught error is printed with the fiber\'s id, name and traceback', function()
  local err, result = errors_of [[
    local function culprit() error('broken') end
    local f = fiber.new(function() culprit() end)
    f:name('worker')
    io.write(f:id())
    fiber.yield()
  ]]
  test.match(err, ('^fiber %d %%(worker%%) died: [^\n]*:2: broken\nstack traceback:\n'):format(result.out))
  test.match(err, "in upvalue 'culprit'")
end)

test.case('an uncaught error ends only its own fiber', function()
  local err, result = errors_of [[
    fiber.create(function() error('broken') end)
    print(fiber.sleep(0.001) == nil)
    print('still here')
  ]]
  test.match(err, '%(lua%) died: ')
  test.equal(result.out, 'true\nstill here\n')
end)

test.case('error objects are printed by their __tostring', function()
  local err = errors_of [[
    fiber.create(error, setmetatable({}, { __tostring = function() return 'my error' end }))
    fiber.create(error, nil)
    fiber.create(error, {})
  ]]
  test.match(err, 'died: my error\n')
  test.match(err, 'died: nil\n')
  test.match(err, 'died: table: 0x')
end)

test.case('an error whose __tostring raises is reported all the same', function()
  local err = errors_of [[
    fiber.create(error, setmetatable({}, { __tostring = function() error('worse') end }))
    fiber.create(error, setmetatable({}, { __tostring = function() return {} end }))
  ]]
  test.match(err, 'died: %(error object is a table value%)\n.*died: %(error object is a table value%)\n')
end)

test.case('a fiber may wait in the __tostring of its own error', function()
  local err = errors_of [[
    fiber.create(error, setmetatable({}, {
      __tostring = function() fiber.sleep(0.001); return 'slowly' end }))
    fiber.sleep(0.1)
  ]]
  test.match(err, 'died: slowly\n')
end)

test.case('cancellation that nobody catches is not printed', function()
  local err = errors_of [[
    local f = fiber.create(fiber.sleep, 100)
    f:cancel()
    fiber.yield()
    local g = fiber.spawn(fiber.sleep, 100)
    fiber.yield()
    g:cancel()
    fiber.yield()
    g = nil
    collectgarbage()
  ]]
  test.equal(err, '')
end)

test.case('the error of a joinable fiber is left to join', function()
  local err, result = errors_of [[
    local f = fiber.spawn(function() error('for join') end)
    print(f:join())
    f = nil
    collectgarbage()
  ]]
  test.equal(err, '')
  test.match(result.out, '^false\t.*for join\n$')
end)

test.case('the error of a joinable fiber that nobody joins is printed when it is collected', function()
  local err, result = errors_of [[
    io.stderr:setvbuf('no')
    local f = fiber.spawn(function() error('unheard') end)
    f:name('orphan')
    fiber.yield()
    io.stderr:write('before\n')
    f = nil
    collectgarbage()
    io.stderr:write('after\n')
  ]]
  test.match(err, '^before\nfiber %d+ %(orphan%) died: .*unheard\nstack traceback:.*\nafter\n$')
  test.equal(result.out, '')
end)

test.case('or at the end of the program', function()
  local err = errors_of [[
    Kept = fiber.spawn(function() error('unheard') end)
    fiber.yield()
  ]]
  test.match(err, 'died: .*unheard\n')
end)

test.case('a join that timed out has not heard the error', function()
  local err = errors_of [[
    local f = fiber.spawn(function() fiber.sleep(0.01); error('too late') end)
    print(f:join(0))
    fiber.sleep(0.05)
    f = nil
    collectgarbage()
  ]]
  test.match(err, 'died: .*too late\n')
end)

test.case('a message with zero bytes and one of a megabyte are printed', function()
  local err = errors_of [[
    fiber.create(error, 'zero\0byte', 0)
    fiber.create(error, ('m'):rep(1 << 20), 0)
  ]]
  test.match(err, 'died: zero')
  test.ok(err:find(('m'):rep(1 << 20), 1, true))
end)

test.finish()
