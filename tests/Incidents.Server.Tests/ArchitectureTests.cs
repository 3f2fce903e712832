using System.Reflection;
using System.Reflection.Emit;
using Incidents.Domain.Alerts;
using Incidents.Server.Web;

namespace Incidents.Server.Tests;

/// <summary>Data flows one way: within each assembly a stage knows the stages before it, never those after it. The Domain as a whole is the language of the whole server.</summary>
public sealed class ArchitectureTests
{
    private static readonly string[] Stages = ["Alerts", "Routing", "Response", "OnCall", "Notifications", "Playbooks", "PostMortems", "Insights"];
    private const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
    private static readonly Dictionary<short, OpCode> OpCodes = typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).ToDictionary(o => o.Value);

    [Test]
    public void A_stage_of_the_domain_uses_no_later_stage() => Assert.That(Violations(typeof(Labels).Assembly), Is.Empty);

    [Test]
    public void A_stage_of_the_server_uses_no_later_stage() => Assert.That(Violations(typeof(WebModule).Assembly), Is.Empty);

    [Test]
    public void The_domain_stands_on_nodatime_alone() =>
        Assert.That(typeof(Labels).Assembly.GetReferencedAssemblies().Select(a => a.Name!).Where(n => !n.StartsWith("System", StringComparison.Ordinal) && n != "NodaTime"), Is.Empty);

    [Test]
    public void The_check_sees_into_method_bodies() =>
        Assert.That(typeof(WebModule).Assembly.GetTypes().Where(t => t.FullName!.StartsWith("Incidents.Server.Response.IncidentWork", StringComparison.Ordinal)).SelectMany(UsesOf).Select(t => t.FullName), Does.Contain("Incidents.Server.Response.IncidentsChanged"));

    private static List<string> Violations(Assembly assembly) =>
        [.. from type in assembly.GetTypes()
            let own = StageOf(type)
            where own >= 0
            from used in UsesOf(type).Distinct()
            where used.Assembly == assembly && StageOf(used) > own
            select $"{type.FullName} uses {used.FullName}"];

    private static int StageOf(Type type) =>
        type.Namespace?.Split('.') is ["Incidents", "Domain" or "Server", var stage, ..] ? Array.IndexOf(Stages, stage) : -1;

    private static IEnumerable<Type> UsesOf(Type type)
    {
        IEnumerable<Type?> uses = [type.BaseType, .. type.GetInterfaces(), .. type.GetFields(All).Select(f => f.FieldType)];
        foreach (var method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)))
            uses = uses.Concat(method.GetParameters().Select(p => p.ParameterType)).Append((method as MethodInfo)?.ReturnType).Concat(InBodyOf(method));
        return uses.OfType<Type>().SelectMany(Whole);
    }

    private static IEnumerable<Type> Whole(Type type) =>
        type.HasElementType ? Whole(type.GetElementType()!) : type.IsGenericType ? type.GetGenericArguments().SelectMany(Whole).Append(type.GetGenericTypeDefinition()) : [type];

    private static List<Type?> InBodyOf(MethodBase method)
    {
        var found = new List<Type?>();
        if (method.GetMethodBody() is not { } body || body.GetILAsByteArray() is not { } il) return found;
        found.AddRange(body.LocalVariables.Select(l => l.LocalType));
        var typeArguments = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var i = 0; i < il.Length;)
        {
            var code = il[i] == 0xFE ? OpCodes[unchecked((short)(0xFE00 | il[i + 1]))] : OpCodes[il[i]];
            i += code.Size;
            switch (code.OperandType)
            {
                case OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok:
                    var member = method.Module.ResolveMember(BitConverter.ToInt32(il, i), typeArguments, methodArguments);
                    found.Add(member as Type ?? member?.DeclaringType);
                    if (member is MethodInfo { IsGenericMethod: true } generic) found.AddRange(generic.GetGenericArguments());
                    i += 4;
                    break;
                case OperandType.InlineSwitch:
                    i += 4 + (4 * BitConverter.ToInt32(il, i));
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    i += 8;
                    break;
                case OperandType.InlineVar:
                    i += 2;
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    i += 1;
                    break;
                case OperandType.InlineNone:
                    break;
                default:
                    i += 4;
                    break;
            }
        }

        return found;
    }
}
