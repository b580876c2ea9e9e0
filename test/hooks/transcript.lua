--- transcript.lua FOLDER: runs every scenario of the C library there in a fiber and prints what its
--- calls returned. Another fiber counts meanwhile how often it had its turn.
package.cpath = arg[1] .. '/?.so;' .. package.cpath
local fiber = require 'fiber'
local scenarios = require 'scenarios'

local turns = 0
local ticker = fiber.create(function()
  while true do
    fiber.sleep(0.001)
    turns = turns + 1
  end
end)
for _, name in ipairs(scenarios.names()) do
  local before = turns
  local text = scenarios.run(name)
  io.stderr:write(name, ' ', turns - before, '\n')
  print(name .. ':\n' .. text)
end
ticker:cancel()
