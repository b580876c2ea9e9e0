-- scenarios_test.lua FOLDER: what the calls of a C library return is the same whether they park a
-- fiber or block the thread; and the other fibers have their turns in the one case only.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '../lua/?.lua;' .. package.path
local child = require 'child'
local test = require 'test'

--- {[scenario] = text} and {[scenario] = turns that another fiber had}.
local function run(...)
  local words = { ... }
  table.move({ here .. 'transcript.lua', arg[1] }, 1, 2, #words + 1, words)
  local result = child.words(table.unpack(words))
  if result.code ~= 0 then error(result.err, 0) end
  local texts, turns = {}, {}
  for name, text in (result.out .. '\n'):gmatch('([%w_]+):\n(.-)\n\n') do texts[name] = text end
  for name, n in result.err:gmatch('([%w_]+) (%d+)\n') do turns[name] = tonumber(n) end
  return texts, turns
end

local parked, turns = run()
local blocked, no_turns = run('--no-hooks')
local never_waits = { receive_descriptor = true, connects = true, others = true,
  names_without_servers = true }

for name, text in pairs(blocked) do
  test.case(name .. ': the results are those of the C library', function()
    if parked[name] ~= text then
      local a, b = os.tmpname(), os.tmpname()
      local file <close> = io.open(a, 'w')
      file:write(text)
      file:flush()
      local other <close> = io.open(b, 'w')
      other:write(parked[name] or '')
      other:flush()
      os.execute(('diff %s %s; rm %s %s'):format(a, b, a, b))
      error('they differ', 0)
    end
  end)
  if not never_waits[name] then
    test.case(name .. ': other fibers run meanwhile', function() test.ok(turns[name] > 0) end)
    test.case(name .. ': without hooks none does', function() test.equal(no_turns[name], 0) end)
  end
end

test.case('every scenario has run', function()
  local n = 0
  for _ in pairs(blocked) do n = n + 1 end
  test.equal(n, 25)
end)

test.finish()
