-- program_test.lua: how the program starts, what it goes on for, and how it ends.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local fiber = require 'fiber'
local socket = require 'socket'

local preamble = "local fiber, socket = require 'fiber', require 'socket'\n"

--- Runs a script; it must exit with this status. Returns what it printed, and where.
local function exits(status, text, ...)
  local result = child.run(preamble .. text, ...)
  test.equal({ result.how, result.code, result.code ~= status and result.err }, { 'exit', status, false })
  return result.out, result.err, result
end

-- -- What the program goes on for ---------------------------------------------------------------------

test.case('the program goes on while a fiber sleeps, and ends with 0 when none does', function()
  local out, err = exits(0, [[
    fiber.create(function() fiber.sleep(0.01); fiber.sleep(0.01); print('slept') end)
    print('main ended')
  ]])
  test.equal({ out, err }, { 'main ended\nslept\n', '' })
end)

test.case('the program goes on while a fiber waits for a socket', function()
  local out, err = exits(0, [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    fiber.create(function() print(a:read('\n')) end)
    fiber.create(function() fiber.sleep(0.01); b:write('hello\n') end)
    print('main ended')
  ]])
  test.equal({ out, err }, { 'main ended\nhello\n\n', '' })
end)

test.case('the program goes on while a fiber accepts connections', function()
  local process = child.start [[
    local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    assert(listener:bind('127.0.0.1', 0) and listener:listen())
    fiber.create(function()
      for _ = 1, 2 do listener:accept():write('served\n') end
      print('stopping')
    end)
    print(listener:name().port)
  ]]
  local port = tonumber(process:line())
  for _ = 1, 2 do
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    test.ok(s:sysconnect('127.0.0.1', port))
    test.equal(s:read('\n', 10), 'served\n')
  end
  test.equal({ process:wait() }, { 'stopping\n', 'exit', 0 })
end)

test.case('fibers that nothing can wake do not keep the program once the main chunk has ended', function()
  local out, err = exits(0, [[
    local channel, cond, mutex = fiber.channel(0), fiber.cond(), fiber.mutex()
    fiber.create(function() channel:get() end)
    fiber.create(function() channel:close(); fiber.channel(0):put(1) end)
    fiber.create(function() cond:wait() end)
    fiber.create(function()
      local last <close> = setmetatable({}, { __close = function() print('cleaned up') end })
      fiber.channel(0):get()
    end)
    print('main ended')
  ]])
  test.equal({ out, err }, { 'main ended\ncleaned up\n', '' })
end)

test.case('a main fiber that nothing can wake is reported as a deadlock, with all who wait', function()
  local _, err, result = exits(1, [[
    local channel, cond = fiber.channel(0), fiber.cond()
    local function deep() cond:wait() end
    fiber.create(function() deep() end):name('waiter')
    channel:get()
  ]])
  local path = result.path:gsub('%p', '%%%0')
  test.match(err, '^coir: deadlock: ')
  test.match(err, 'fiber %d+ %(lua_%w+%) waits: channel get[^\n]*\nstack traceback:\n[^f]+in method \'get\'\n\t'
    .. path .. ':5: in main chunk')
  test.match(err, 'fiber %d+ %(waiter%) waits: cond[^\n]*\nstack traceback:\n[^f]+in method \'wait\'\n\t'
    .. path .. ":3: in upvalue 'deep'\n\t" .. path .. ':4: in function')
end)

test.case('a deadlock is all that is reported of it', function()
  local _, err = exits(1, 'fiber.channel(0):get()')
  test.ok(not err:find('cancelled', 1, true), err)
end)

test.case('a deadlock with an error of the main fiber as well: a fiber may still clean up', function()
  local out = exits(1, [[
    fiber.create(function()
      local last <close> = setmetatable({}, { __close = function() print('cleaned up') end })
      fiber.channel(0):get()
    end)
    fiber.channel(0):get()
  ]])
  test.equal(out, 'cleaned up\n')
end)

test.case('a main fiber that waits with a timeout is no deadlock', function()
  local out, err = exits(0, "print(fiber.channel(0):get(0.01))")
  test.equal({ out, err }, { 'nil\ttimeout\n', '' })
end)

-- -- Errors and os.exit ---------------------------------------------------------------------------------

test.case('an error of the script ends the program at once with 1', function()
  local out, err, result = exits(1, [[
    fiber.create(function() fiber.sleep(1000) end)
    fiber.create(function() fiber.sleep(0); print('never') end)
    error('broken')
  ]])
  test.equal(out, '')
  test.match(err, ('%s:4: broken\nstack traceback:\n'):format(result.path:gsub('%p', '%%%0')))
end)

test.case('an error of the script waits for no fiber that swallows cancellation', function()
  local began = fiber.clock()
  local _, err = exits(1, [[
    fiber.create(function() while true do pcall(fiber.sleep, 1000) end end)
    error('broken')
  ]])
  test.match(err, 'broken')
  test.ok(fiber.clock() - began < 4, 'it waited for the grace of SIGTERM')
end)

test.case('an error of the script lets parked fibers clean up', function()
  local out = exits(1, [[
    fiber.create(function()
      local last <close> = setmetatable({}, { __close = function() print('cleaned up') end })
      fiber.sleep(1000)
    end)
    error('broken')
  ]])
  test.equal(out, 'cleaned up\n')
end)

test.case('a script that cannot be compiled or found ends with 1', function()
  test.match(select(2, exits(1, 'return +')), 'unexpected symbol')
  local result = child.words('/nowhere/at/all.lua')
  test.equal({ result.how, result.code }, { 'exit', 1 })
  test.match(result.err, 'cannot open /nowhere/at/all.lua')
end)

for _, call in ipairs { 'os.exit(7)', 'os.exit(7, true)' } do
  test.case(call .. ' ends the program although fibers are parked', function()
    local park = [[
      fiber.create(fiber.sleep, 1000)
      fiber.create(function() fiber.channel(0):get() end)
      fiber.create(function() while true do pcall(fiber.sleep, 1000) end end)
      io.write('buffered')
    ]]
    local out, err = exits(7, park .. call)
    test.equal({ out, err }, { 'buffered', '' })
    exits(7, park .. 'fiber.create(function() ' .. call .. ' end) fiber.sleep(1000)')
    exits(7, park .. 'fiber.create(function() fiber.sleep(0.01) ' .. call .. ' end)')
    exits(7, park .. 'coroutine.wrap(function() ' .. call .. ' end)()')
  end)
end

test.case('os.exit(true, true) and os.exit(false, true) give 0 and 1, and close the state', function()
  local text = [[
    Last = setmetatable({}, { __gc = function() print('collected') end })
    fiber.create(fiber.sleep, 1000)
    fiber.sleep(0)
    os.exit(%s, true)
  ]]
  test.equal((exits(0, text:format('true'))), 'collected\n')
  test.equal((exits(1, text:format('false'))), 'collected\n')
end)

-- -- Stacks -------------------------------------------------------------------------------------------

local nest = [[
  local function nest(n)
    if n == 0 then return 'bottom' end
    return (('x'):gsub('x', function() return nest(n - 1) end))
  end
]]

test.case('nesting calls of C without end is an error that a fiber can catch', function()
  local out, err = exits(0, nest .. [[
    fiber.create(function() fiber.sleep(0.01); print('another', nest(5)) end)
    for _ = 1, 3 do fiber.create(function() print(pcall(nest, 100000)) end) end
    fiber.sleep(0.05)
    print(pcall(nest, 100000))
    print('main goes on')
  ]])
  test.equal(err, '')
  test.equal(select(2, out:gsub('false\t[^\n]*C stack overflow', '')), 4)
  test.match(out, 'another\tbottom\n.*main goes on\n$')
end)

test.case('and kills only the fiber that does not catch it', function()
  local out, err = exits(0, nest .. [[
    fiber.new(function() nest(100000) end):name('deep')
    fiber.yield()
    print('main goes on')
  ]])
  test.equal(out, 'main goes on\n')
  test.match(err, '^fiber %d+ %(deep%) died: .*C stack overflow')
end)

test.case('a stack that is too small is named when it overflows, and the program dies by SIGSEGV', function()
  if child.sanitized() then return end
  local path = os.tmpname()
  local file <close> = io.open(path, 'w')
  file:write(preamble, nest, "fiber.self():name('mole')\nnest(190)\n")
  file:close()
  local result = child.shell('ulimit -c 0; exec "$0" --stack=64k ' .. path)
  os.remove(path)
  test.equal({ result.how, result.code }, { 'signal', 11 })
  test.match(result.err, '^stack overflow in fiber %d+ %(mole%); reserve more with %-%-stack\nstack traceback:\n')
  test.match(result.err, '\t' .. path .. ':4\n')
end)

test.case('--stack reserves what nested calls need', function()
  local deep = nest .. "fiber.create(function() print(nest(150)) end)"
  test.equal((exits(0, deep, '--stack=1m')), 'bottom\n')
  test.equal((exits(0, deep, '--stack=1048576')), 'bottom\n')
  test.equal((exits(0, "print(fiber.self():info().memory.total <= 256 * 1024)", '--stack=256k')), 'true\n')
end)

test.case('a script that nests nothing runs on --stack=64k', function()
  test.equal((exits(0, "fiber.create(function() print('runs') end)", '--stack=64k')), 'runs\n')
end)

test.case('--stack refuses what is no size', function()
  for _, value in ipairs { '', 'abc', '-1', '0', '1x', '1.5m', 'k', '64 k', '99999999999999999999', '99999999999g' } do
    local result = child.words('--stack=' .. value, '-e', "print('ran')")
    test.equal({ value, result.how, result.code, result.out }, { value, 'exit', 1, '' })
    test.match(result.err, "^[^\n]*: invalid size in '%-%-stack=" .. value:gsub('%p', '%%%0') .. "'\nusage: ")
  end
end)

test.case('a --stack that no memory holds is an error, not a crash', function()
  local result = child.words('--stack=1000000g', '-e', "print('ran')")
  test.equal({ result.how, result.code, result.out }, { 'exit', 1, '' })
  test.match(result.err, 'cannot start: ')
end)

test.finish()
