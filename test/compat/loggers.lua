--- loggers.lua: what the modules for other systems log, for the tests to look at.
local base = require 'coir.compat.base'

local loggers = {}
local lines = {}

base.log.sink = function(_, name, text) lines[#lines + 1] = name .. ' ' .. text end

--- What was logged since the last call, each line as `LEVEL text`.
function loggers.take()
  local taken = lines
  lines = {}
  return taken
end

return loggers
