-- program_signals_test.lua: what the program does with the signals it gets.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'

-- Lets the main fiber say that it is parked: another fiber does when its turn comes.
local say_when_parked = "fiber.new(function() print('parked') end)\n"

--- Starts a script whose main fiber parks in its last statement, and waits until it has.
local function parked(text, ...)
  local process = child.start(text:gsub('PARK', function() return say_when_parked end), ...)
  process:expect('parked')
  return process
end

local function path_pattern(process) return process.path:gsub('%p', '%%%0') end

-- -- SIGINT -----------------------------------------------------------------------------------------------

local waits = {
  ['fiber.sleep'] = 'fiber.sleep(1000)',
  ['a read of a socket'] = "local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0); a:read(10)",
  ['a wait on a channel'] = 'fiber.create(fiber.sleep, 1000); fiber.channel(0):get()',
  ['a join'] = 'fiber.spawn(fiber.sleep, 1000):join()',
  ['an accept'] = "local s = socket('AF_INET', 'SOCK_STREAM', 'tcp'); s:bind('127.0.0.1', 0); s:listen(); s:accept()",
}

for place, statement in pairs(waits) do
  test.case('SIGINT raises in a main fiber parked in ' .. place, function()
    local process = parked('PARK\n' .. statement .. "\nprint('never')\n")
    process:signal('INT')
    local rest, how, code = process:wait()
    test.equal({ how, code }, { 'exit', 1 })
    -- Three lines of the preamble and PARK, which has a line of its own, come before the statement.
    test.match(rest, '^[^\n]*coir: ' .. path_pattern(process) .. ':6: interrupted!\nstack traceback:\n')
    test.ok(not rest:find('never'))
  end)
end

test.case('SIGINT can be caught with pcall, and the fiber may wait again', function()
  local process = parked [[
    PARK
    print(select(2, pcall(fiber.sleep, 1000)))
    fiber.sleep(0.01)
    print('slept')
  ]]
  process:signal('INT')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 0 })
  test.match(rest, '^[^\n]*interrupted!\nslept\n$')
end)

test.case('SIGINT leaves the other fibers alone', function()
  local process = parked [[
    local go_on = fiber.channel(0)
    fiber.create(function() print(go_on:get()) end)
    PARK
    pcall(fiber.sleep, 1000)
    go_on:put('undisturbed')
  ]]
  process:signal('INT')
  test.equal({ process:wait() }, { 'undisturbed\n', 'exit', 0 })
end)

test.case('SIGINT reaches a main fiber that computes', function()
  local process = child.start "print('parked')\nwhile true do end\n"
  process:expect('parked')
  process:signal('INT')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 1 })
  test.match(rest, 'interrupted!\nstack traceback:\n.*' .. path_pattern(process) .. ':[45]: in main')
end)

test.case('SIGINT reaches a main fiber that yields', function()
  local process = parked 'PARK\nwhile true do fiber.yield() end\n'
  process:signal('INT')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 1 })
  test.match(rest, ':6: interrupted!')
end)

test.case('SIGINT reaches a main fiber that another is in front of, and that computes then', function()
  local process = child.start [[
    fiber.new(function() io.popen('kill -INT $PPID'):close() end)
    fiber.yield()
    while true do end
  ]]
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 1 })
  test.match(rest, ':5: interrupted!')
end)

test.case('the program\'s own hook outlives a SIGINT', function()
  local process = parked [[
    debug.sethook(function() end, 'l')
    PARK
    print(select(2, pcall(fiber.sleep, 1000)), (debug.gethook()) ~= nil)
  ]]
  process:signal('INT')
  test.equal({ process:wait() }, { 'interrupted!\ttrue\n', 'exit', 0 })
end)

test.case('a second SIGINT kills', function()
  local process = parked [[
    PARK
    pcall(fiber.sleep, 1000)
    print('caught')
    fiber.sleep(1000)
  ]]
  process:signal('INT')
  process:expect('caught')
  process:signal('INT')
  test.equal({ process:wait() }, { '', 'signal', 2 })
end)

test.case('SIGINT ends a program whose main fiber has ended', function()
  local process = parked "fiber.create(fiber.sleep, 1000)\nPARK\n"
  process:signal('INT')
  test.equal({ process:wait() }, { '', 'signal', 2 })
end)

-- -- SIGTERM ----------------------------------------------------------------------------------------------

test.case('SIGTERM cancels all fibers, which clean up, and the program dies by it', function()
  local process = parked [[
    local function park(name, wait, ...)
      local last <close> = setmetatable({}, { __close = function(_, e)
        print(name .. ' closed: ' .. tostring(e), fiber.is_cancelled(e))
      end })
      wait(...)
    end
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    fiber.create(park, 'sleep', fiber.sleep, 1000)
    fiber.create(park, 'read', a.read, a, 10)
    fiber.create(park, 'channel', function() fiber.channel(0):get() end)
    PARK
    park('main', fiber.sleep, 1000)
  ]]
  process:signal('TERM')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 15 })
  local lines = {}
  for line in rest:gmatch('[^\n]+') do lines[#lines + 1] = line end
  table.sort(lines)
  test.equal(lines, {
    'channel closed: fiber is cancelled\ttrue', 'main closed: fiber is cancelled\ttrue',
    'read closed: fiber is cancelled\ttrue', 'sleep closed: fiber is cancelled\ttrue',
  })
end)

test.case('SIGTERM lets a fiber finish what needs no wait', function()
  local process = parked [[
    fiber.create(function()
      pcall(fiber.sleep, 1000)
      print('finished')
    end)
    PARK
    fiber.sleep(1000)
  ]]
  process:signal('TERM')
  test.equal({ process:wait() }, { 'finished\n', 'signal', 15 })
end)

test.case('SIGTERM ends a program whose main fiber has ended', function()
  local process = parked "fiber.create(fiber.sleep, 1000)\nPARK\n"
  process:signal('TERM')
  test.equal({ process:wait() }, { '', 'signal', 15 })
end)

test.case('a fiber that swallows cancellation is named after the time of grace', function()
  local process = parked [[
    fiber.create(fiber.sleep, 1000)
    fiber.create(function() while true do pcall(fiber.sleep, 1000) end end):name('stubborn')
    PARK
    fiber.sleep(1000)
  ]]
  local clock = require('fiber').clock
  local began = clock()
  process:signal('TERM')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 15 })
  test.match(rest, '^coir: 1 fibers? would not stop:\nfiber %d+ %(stubborn%)[^\n]*\n$')
  test.ok(clock() - began >= 4.9, 'the time of grace is 5 s')
end)

-- -- SIGQUIT ----------------------------------------------------------------------------------------------

test.case('SIGQUIT prints every fiber and what it waits for, and the program goes on', function()
  local process = parked [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    local channel = fiber.channel(0)
    local function reader() print(a:read('\n')) end
    fiber.create(reader):name('reader')
    fiber.create(function() channel:get() end):name('taker')
    PARK
    while not b:readable(1000) do end
    print(b:read('\n'))
    b:write('thanks\n')
  ]]
  process:signal('QUIT')
  local text = process:line()
  repeat
    local line = process:line()
    text = text .. '\n' .. tostring(line)
  until line == nil or text:find('taker.*in function <')
  test.match(text, 'fiber %d+ %(lua_%w+%) waits: [^\n]+ of 1000%.0 s\nstack traceback:\n[^f]+in method \'readable\'')
  test.match(text, "fiber %d+ %(reader%) waits: read fd %d+[^\n]*\nstack traceback:\n[^f]+in method 'read'")
  test.match(text, 'fiber %d+ %(taker%) waits: channel get[^\n]*\nstack traceback:\n')
  process:signal('QUIT')
  test.match(process:line(), '^fiber ')
  process:signal('TERM')
  local _, how, code = process:wait()
  test.equal({ how, code }, { 'signal', 15 })
end)

test.case('a program that was asked by SIGQUIT still ends well', function()
  local process = parked [[
    local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
    PARK
    io.stdout:write(tostring(pcall(fiber.sleep, 1000)), '\n')
    print('end')
  ]]
  process:signal('QUIT')
  test.match(process:line(), '^fiber ')
  process:signal('INT')
  local rest, how, code = process:wait()
  test.equal({ how, code }, { 'exit', 0 })
  test.match(rest, 'false\nend\n$')
end)

test.finish()
