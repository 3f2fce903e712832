using Incidents.Domain.Response;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class IncidentMapping : IEntityTypeConfiguration<Incident>
{
    public void Configure(EntityTypeBuilder<Incident> builder)
    {
        builder.ToTable("incidents").HasKey(i => i.Number);
        builder.Property(i => i.Number).ValueGeneratedNever();
        builder.Ignore(i => i.IsOpen);
        builder.Ignore(i => i.IsQuiet);
        builder.Ignore(i => i.IsLull);

        // One open incident per group, whatever replicas race for it.
        builder.HasIndex(i => i.GroupId, "ux_incidents_open_group").IsUnique().HasFilter("state in ('triggered', 'acknowledged')");
        builder.HasIndex(i => new { i.GroupId, i.Number }, "ix_incidents_group");
        builder.HasIndex(i => new { i.State, i.OpenedAt, i.Number });
        builder.HasIndex(i => i.SnoozedUntil).HasFilter("snoozed_until is not null");
        builder.HasIndex(i => i.QuietRule).HasFilter("quiet_rule is not null");
        builder.HasIndex(i => i.LoudDespite).HasFilter("loud_despite is not null");
        builder.HasIndex(i => i.SettleFlappingAt).HasFilter("settle_flapping_at is not null");
        builder.HasIndex(i => i.StormNumber).HasFilter("storm_number is not null");
        builder.HasIndex(i => i.VerifyResolveAt).HasFilter("verify_resolve_at is not null");
        builder.HasIndex(i => i.ResolvedAt, "ix_incidents_to_close").HasFilter("state = 'resolved'");
    }
}

internal sealed class TimelineEntryMapping : IEntityTypeConfiguration<TimelineEntry>
{
    public void Configure(EntityTypeBuilder<TimelineEntry> builder)
    {
        builder.ToTable("timeline_entries").HasKey(e => e.Id);
        builder.Property(e => e.Id).UseIdentityAlwaysColumn();
        builder.HasIndex(e => new { e.IncidentNumber, e.Id });
    }
}

internal sealed class NoticeMapping : IEntityTypeConfiguration<Notice>
{
    public void Configure(EntityTypeBuilder<Notice> builder)
    {
        builder.ToTable("notices").HasKey(n => n.Id);
        builder.Property(n => n.Id).ValueGeneratedNever();
        builder.HasIndex(n => n.GroupId).IsUnique().HasFilter("closed_at is null");
        builder.HasIndex(n => n.OpenedAt, "ix_notices_of_people").HasFilter("closed_at is null and group_key like '@%'");
        builder.Ignore(n => n.IsForPerson);
    }
}
