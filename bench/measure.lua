-- measure.lua: what the small questions of bench/ share: cost in CPU time, medians, turns.
--
-- Costs are nanoseconds of the process's CPU time, so a busy machine disturbs them little. A ratio
-- compares two costs of the same run: the yardstick's divided by ours, higher is better.

local measure = {}

--- Runs a function and takes its CPU time, beginning with an empty collector.
--- @param count integer how many times `work` does what is measured
--- @param work fun()
--- @return number ns CPU time of one
function measure.cpu_ns(count, work)
  collectgarbage()
  local start = os.clock()
  work()
  return (os.clock() - start) * 1e9 / count
end

--- @param values number[] in any order; not changed
--- @param share number 0 for the smallest value, 1 for the largest
--- @return number
function measure.quantile(values, share)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

--- @param values number[]
--- @param format string for one number
--- @return string text the median, and in parentheses the least and the largest value
function measure.spread(values, format)
  local pattern = format .. ' (' .. format .. ' to ' .. format .. ')'
  return pattern:format(measure.quantile(values, 0.5), measure.quantile(values, 0),
    measure.quantile(values, 1))
end

--- Measures two things in turn, A B A B ..., after one turn that does not count, and prints the
--- ratio of their costs. May suspend, if they do.
--- @param title string the question
--- @param rounds integer
--- @param yardstick { name: string, cost: fun(): number }
--- @param ours { name: string, cost: fun(): number }
function measure.compare(title, rounds, yardstick, ours)
  yardstick.cost()
  ours.cost()
  local ratios, yardstick_costs, our_costs = {}, {}, {}
  for i = 1, rounds do
    yardstick_costs[i] = yardstick.cost()
    our_costs[i] = ours.cost()
    ratios[i] = yardstick_costs[i] / our_costs[i]
  end
  print(('%s: %s, 1.000 = %s'):format(title, measure.spread(ratios, '%.3f'), yardstick.name))
  print(('note: %s: %s ns'):format(yardstick.name, measure.spread(yardstick_costs, '%.1f')))
  print(('note: %s: %s ns'):format(ours.name, measure.spread(our_costs, '%.1f')))
end

--- @return integer bytes resident memory of this process
function measure.resident_bytes()
  for line in io.lines('/proc/self/status') do
    local kib = line:match('^VmRSS:%s*(%d+) kB$')
    if kib then return tonumber(kib) * 1024 end
  end
  error('no VmRSS in /proc/self/status')
end

return measure
