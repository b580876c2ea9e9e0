--- crowd.lua: many connections to an echo server of one of the systems, for the tests of its load.
local child = require 'child'
local descriptors = require 'descriptors'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local crowd = {}

local function connect(port)
  local s = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  assert(s:sysconnect('127.0.0.1', port))
  return s
end

--- How many connections the limit on descriptors lets both their ends have in this process.
local function most_connections()
  local limits <close> = io.open('/proc/self/limits')
  local soft = limits and limits:read('a'):match('Max open files%s+(%d+)')
  return soft and (tonumber(soft) - 50) // 2 or 100
end

--- Opens `count` connections that are all there at once. Each sends a line; the server echoes it, but raises an
--- error for a line that begins with `error`. A tenth of them reset the connection instead of waiting.
--- Checks that all others get their own line back.
function crowd.gather(port, count)
  if count > most_connections() then
    count = most_connections()
    test.skip('all of these connections', ('the limit on descriptors allows %d'):format(count))
  end
  local all, answered, expected = {}, 0, 0
  for i = 1, count do all[i] = connect(port) end
  local group = fiber.wait_group()
  for i, s in ipairs(all) do
    group:add()
    fiber.new(function()
      local kind = i % 10
      local line = ('%s %d\n'):format(kind == 3 and 'error' or 'line', i)
      s:write(line)
      if kind == 7 then
        s:linger(true, 0)
      else
        expected = expected + 1
        if kind == 3 then
          s:shutdown('W')
          if s:read(nil, 15) == '' then answered = answered + 1 end
        elseif s:readline(nil, 15) == line then
          answered = answered + 1
        end
      end
      s:close()
      group:done()
    end)
  end
  test.ok(group:wait(18), 'they do not end')
  test.equal(answered, expected)
end

--- Kibibytes of Lua memory and of resident memory.
local function memory()
  collectgarbage()
  collectgarbage()
  if child.sanitized() then return collectgarbage 'count', 0 end -- freed memory is kept to be watched
  local statm <close> = io.open('/proc/self/statm')
  local _, resident = statm:read('n', 'n')
  return collectgarbage('count'), resident * 4
end

local function visit(port, times)
  local workers = fiber.wait_group()
  for _ = 1, 20 do
    workers:add()
    fiber.new(function()
      for _ = 1, times // 20 do
        local s = connect(port)
        s:write('hello\n')
        test.equal(s:readline(nil, 10), 'hello\n')
        s:close()
      end
      workers:done()
    end)
  end
  workers:wait()
end

--- Makes `count` connections, 20 at a time, and checks that afterwards descriptors and memory are where
--- they were; resident memory may have grown by half a kibibyte a connection.
function crowd.churn(port, count)
  visit(port, count)
  test.eventually(function()
    collectgarbage() -- earlier cases have dropped sockets that nobody had closed
    return descriptors.count() < 20
  end)
  local open, lua_before, resident_before = descriptors.count(), memory()
  visit(port, count)
  test.eventually(function() return descriptors.count() <= open end)
  local lua_after, resident_after = memory()
  test.ok(lua_after - lua_before < 200, ('%.0f KiB more of Lua memory'):format(lua_after - lua_before))
  test.ok(resident_after - resident_before < count // 2,
    ('%d KiB more resident memory'):format(resident_after - resident_before))
end

return crowd
