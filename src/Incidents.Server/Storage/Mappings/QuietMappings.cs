using Incidents.Server.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class SilenceMapping : IEntityTypeConfiguration<SilenceRow>
{
    public void Configure(EntityTypeBuilder<SilenceRow> builder)
    {
        builder.ToTable("silences").HasKey(s => s.Id);
        builder.Property(s => s.Id).UseIdentityAlwaysColumn();
        builder.Property(s => s.Windows).HasColumnType("jsonb");
        builder.HasIndex(s => s.EndsAt).HasFilter("ended_at is null");
        builder.HasIndex(s => s.MirrorDueAt).HasFilter("mirror_due_at is not null");
    }
}

internal sealed class UpstreamSilenceMapping : IEntityTypeConfiguration<UpstreamSilenceRow>
{
    public void Configure(EntityTypeBuilder<UpstreamSilenceRow> builder) => builder.ToTable("upstream_silences").HasKey(s => s.Id);
}

internal sealed class MutingMapping : IEntityTypeConfiguration<MutingRow>
{
    public void Configure(EntityTypeBuilder<MutingRow> builder)
    {
        builder.ToTable("mutings").HasKey(m => m.Id);
        builder.Property(m => m.Id).UseIdentityAlwaysColumn();
        builder.HasIndex(m => m.AlertId, "ix_mutings_open_alert").HasFilter("ended_at is null and alert_id is not null");
        builder.HasIndex(m => m.IncidentNumber, "ix_mutings_open_incident").HasFilter("ended_at is null and incident_number is not null");
        builder.HasIndex(m => m.BeganAt);
    }
}

internal sealed class InhibitionSourceMapping : IEntityTypeConfiguration<InhibitionSourceRow>
{
    public void Configure(EntityTypeBuilder<InhibitionSourceRow> builder)
    {
        builder.ToTable("inhibition_sources").HasKey(s => new { s.RuleId, s.EqualId, s.AlertId });
        builder.HasIndex(s => s.AlertId);
    }
}

internal sealed class StormMapping : IEntityTypeConfiguration<StormRow>
{
    public void Configure(EntityTypeBuilder<StormRow> builder)
    {
        builder.ToTable("storms").HasKey(s => s.IncidentNumber);
        builder.Property(s => s.IncidentNumber).ValueGeneratedNever();
        builder.HasIndex(s => s.EndedAt, "ix_storms_open").HasFilter("ended_at is null");
    }
}
