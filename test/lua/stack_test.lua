-- stack_test.lua: C stacks of fibers: deep recursion, overflow, and --stack.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local fiber = require 'fiber'

local sanitized = child.sanitized() -- its frames are larger than any real ones

local nested = [[
  local function nest(n)
    if n == 0 then return 'x' end
    return (('x'):gsub('x', function() return nest(n - 1) end))
  end
]]

--- A case that needs C frames of their real size.
local function sized(sentence, body)
  if sanitized then
    test.skip(sentence, 'the frames of AddressSanitizer are larger than any real ones')
  else
    test.case(sentence, body)
  end
end

sized('Lua\'s whole depth of C calls fits into the stack of a fiber', function()
  local result = child.run(nested .. [[
    local fiber = require 'fiber'
    local function deepest() -- Lua's own limit raises before the stack ends
      local depth = 0
      local function deeper()
        depth = depth + 1
        return (('x'):gsub('x', deeper))
      end
      local ok, message = pcall(deeper)
      return ok, depth > 150, message:match('C stack overflow')
    end
    print(deepest())
    print(fiber.spawn(deepest):join())
    print(fiber.spawn(coroutine.wrap(deepest)):join())
    print(fiber.spawn(nest, 150):join())
  ]])
  test.equal({ result.out, result.err, result.code }, { [[
false	true	C stack overflow
true	false	true	C stack overflow
true	false	true	C stack overflow
true	x
]], '', 0 })
end)

test.case('recursion in Lua does not use the C stack', function()
  local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
  test.equal({ fiber.spawn(deep, 150000):join() }, { true, 150000 })
end)

sized('pattern matching of the deepest kind fits', function()
  local f = fiber.spawn(function()
    return pcall(string.match, ('a'):rep(300000), ('a?'):rep(10000) .. 'b')
  end)
  local ok, matched, message = f:join()
  test.equal({ ok, matched }, { true, false })
  test.match(message, 'pattern too complex')
end)

sized('stack overflow on a small stack is reported and ends the program by SIGSEGV', function()
  local result = child.run(nested .. [[
    local f = require 'fiber'.new(function() nest(190) end)
    f:name('too deep')
    require 'fiber'.sleep(100)
  ]], '--stack=64k')
  test.equal({ result.how, result.code }, { 'signal', 11 })
  test.match(result.err, '^stack overflow in fiber %d+ %(too deep%); reserve more with %-%-stack\nstack traceback:\n')
  test.match(result.err, '%.?/?tmp/lua_%w+:3\n')
end)

sized('the main fiber is named like the script', function()
  local result = child.run(nested .. 'nest(190)', '--stack=64k')
  test.equal({ result.how, result.code }, { 'signal', 11 })
  test.match(result.err, '^stack overflow in fiber %d+ %(lua_%w+%);')
end)

sized('the handler of a server is named after its peer', function()
  local result = child.run(nested .. [[
    local socket = require 'socket'
    local server = socket.tcp_server('127.0.0.1', 0, function() nest(190) end)
    socket.tcp_connect('127.0.0.1', server:name().port)
    require 'fiber'.sleep(100)
  ]], '--stack=64k')
  test.equal({ result.how, result.code }, { 'signal', 11 })
  test.match(result.err, '^stack overflow in fiber %d+ %(server/127%.0%.0%.1:%d+%); reserve')
end)

sized('a larger stack is enough for the same', function()
  for _, size in ipairs { '512k', '524288', '1m', '1M', '512K' } do
    local result = child.run(nested .. "print(require 'fiber'.spawn(nest, 190):join())",
      '--stack=' .. size)
    test.equal({ result.out, result.how, result.code }, { 'true\tx\n', 'exit', 0 })
  end
end)

test.case('the size shows in info', function()
  local result = child.run([[
    local fiber = require 'fiber'
    local f = fiber.create(fiber.sleep, 100)
    print(f:info().memory.total)
    os.exit(0)
  ]], '--stack=2m')
  local total = tonumber(result.out)
  test.ok(total > 2000000 and total <= 2 << 20)
end)

test.case('a size that is none is refused', function()
  for _, size in ipairs { '', '0', 'k', '12x', '-1', '1.5m', '512kb', ' 512k', '0x100',
      '99999999999999999999',
    '18446744073709551615g' } do
    local result = child.words('--stack=' .. size, '-e', 'print(1)')
    test.equal({ result.out, result.how, result.code }, { '', 'exit', 1 })
    test.match(result.err, 'invalid size in')
    test.ok(result.err:find('--stack=' .. size, 1, true))
  end
  local result = child.words('--stack', '-e', 'print(1)')
  test.equal({ result.out, result.code }, { '', 1 })
end)

test.case('a stack that no memory can hold is an error, not a crash', function()
  local result = child.words('--stack=100000g', '-e', 'print(1)')
  test.equal({ result.out, result.how, result.code }, { '', 'exit', 1 })
  test.match(result.err, 'cannot start: Cannot allocate memory')
end)

test.case('running out of stacks is ENOMEM, and the program goes on', function()
  if sanitized then return end
  local result = child.shell([[ulimit -v 1000000; exec "$0" -e '
    local fiber, errno = require "fiber", require "errno"
    local fibers, f, message, code = {}
    for i = 1, 10000 do
      f, message, code = fiber.new(fiber.sleep, 0.01)
      if not f then break end
      fibers[i] = f
    end
    print(f, message, errno[code])
    fiber.sleep(0.1)
    print(#fibers > 100, fiber.spawn(math.max, 1, 2):join())
  ']])
  test.match(result.out, '^nil\tcannot start a fiber %(%d+ alive%): Cannot allocate memory\tENOMEM\ntrue\ttrue\t2\n$')
  test.equal({ result.how, result.code }, { 'exit', 0 })
end)

test.finish()
