--- others.lua: what the tests with C libraries of others share: a ticker, LuaSocket, servers.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../peers/?.lua;' .. package.path
local peer = require 'peer' -- before LuaSocket takes the name `socket`
local child = require 'child'
local fiber = require 'fiber'
local test = require 'test'

local others = { peer = peer }

-- Seconds between two ticks. What is slowed down by a sanitizer is not measured.
local allowed_gap = child.sanitized() and math.huge or 0.05
local runs = 5

--- Runs the body while a fiber ticks every 10 ms. Returns the longest time between two ticks, and
--- the time that the body took.
local function run_with_ticker(body)
  local gap, last = 0, fiber.clock()
  local function tick()
    local now = fiber.clock()
    gap, last = math.max(gap, now - last), now
  end
  local ticker = fiber.create(function()
    while true do
      fiber.sleep(0.01)
      tick()
    end
  end)
  local began = fiber.clock()
  local ok, problem = pcall(body)
  local time = fiber.clock() - began
  ticker:cancel()
  tick()
  if not ok then error(problem, 0) end
  return gap, time
end

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

--- A case that runs the body five times. In the median run the ticker keeps its ticks, and the body
--- takes at most `most` seconds.
function others.case(sentence, most, body)
  test.case(sentence, function()
    local gaps, times = {}, {}
    for i = 1, runs do gaps[i], times[i] = run_with_ticker(body) end
    local gap, time = median(gaps), median(times)
    print(('%s: longest gap %.0f ms (%.0f to %.0f), %.2f s'):format(sentence, gap * 1000,
      gaps[1] * 1000, gaps[runs] * 1000, time))
    test.ok(gap <= allowed_gap, ('the ticker stood still for %.3f s'):format(gap))
    test.ok(time <= most, ('took %.3f s'):format(time))
  end)
end

--- Makes require() find the C modules and Lua files that Debian has, LuaSocket's own among them.
function others.use_luasocket()
  for _, name in ipairs { 'socket', 'socket.core', 'socket.unix', 'mime', 'ltn12' } do
    package.preload[name], package.loaded[name] = nil, nil
  end
  package.path = package.path .. ';/usr/share/lua/5.3/?.lua;/usr/share/lua/5.2/?.lua'
  return require 'socket'
end

--- Words that run a command as this user, if coir is run by root; servers refuse to be.
function others.as_user(name)
  local pipe <close> = io.popen 'id -u'
  return pipe:read('n') == 0 and 'runuser -u ' .. name .. ' -- ' or ''
end

--- Runs a shell command and fails with what it says.
function others.shell(command)
  local pipe = io.popen('{ ' .. command .. '; } 2>&1', 'r')
  local output = pipe:read('a')
  if not pipe:close() then error(command .. '\n' .. output, 2) end
  return output
end

return others
